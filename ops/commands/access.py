"""`ops access`: who may do what in Kafka."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops import console
from ops.commands.options import AsJson, platform
from ops.errors import ExitCode, refuse_unknown

if TYPE_CHECKING:
    from components.access.rules import AppSpec
    from ops.access.decision import Asked, Verdict
    from ops.access.users import User
    from ops.backup.archive.model import Acl


class Operation(StrEnum):
    """What can be done with a topic."""

    READ = "read"
    WRITE = "write"
    DESCRIBE = "describe"
    CREATE = "create"
    ALTER = "alter"
    DELETE = "delete"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    access = typer.Typer(no_args_is_help=True, help="Show who may do what in Kafka, and why somebody may not.")
    access.command("list")(list_users)
    access.command("check")(check)
    app.add_typer(access, name="access")


def list_users(context: typer.Context, as_json: AsJson = False) -> None:
    """List users with their rights and limits, and how they differ from the stack file.

    Exits with 1 if a declared user is missing, lacks something or has more than declared. Users that nobody declared
    are shown, and are no error.
    """
    from ops.access.declared import declared_apps, require_access
    from ops.access.users import read_users

    target = platform(context)
    require_access(target)
    apps = declared_apps(target)
    with target.admin() as client:
        users = read_users(client, apps)
    if as_json:
        console.json_document([user.to_json() for user in users])
    else:
        console.table(("USER", "OF", "EXISTS", "RIGHTS", "LIMITS", "DRIFT"), map(_row, users))
    problems = [user.problem for user in users if user.problem]
    for problem in problems:
        console.say(f"{problem}; `pulumi up -s {target.stack} --refresh` makes it as declared")
    if problems:
        raise typer.Exit(ExitCode.FOUND_WRONG)


def _row(user: "User") -> list[str]:
    from ops.access.users import Kind, limit_lines, right_lines

    drift = [*(f"+ {line}" for line in user.beyond), *(f"- {line}" for line in user.missing)]
    return [
        user.name,
        user.app or {Kind.PLATFORM: "(the platform)", Kind.UNDECLARED: "(nobody)"}.get(user.kind, ""),
        "yes" if user.observed.exists else "no",
        "everything" if user.is_super else "; ".join(right_lines(user.observed.rights)) or "none",
        ", ".join(limit_lines(user.observed.quota)) or "none",
        "; ".join(drift) or "none",
    ]


def check(
    context: typer.Context,
    user: Annotated[str, typer.Argument(metavar="USER", help="The user, such as billing")],
    topic: Annotated[str | None, typer.Option(metavar="TOPIC", help="A topic; needs --operation")] = None,
    operation: Annotated[Operation | None, typer.Option(help="What to do with the topic")] = None,
    group: Annotated[str | None, typer.Option(metavar="GROUP", help="A consumer group to be in")] = None,
    transaction: Annotated[str | None, typer.Option(metavar="ID", help="A transactional id to use")] = None,
    as_json: AsJson = False,
) -> None:
    """Show whether a user may do something, by the ACLs that the brokers hold; and if not, what would allow it.

    Without options, shows everything that it may do. Exits with 1 if it may not.

    Example: `python -m ops access check billing --topic orders --operation write`
    """
    from ops.access.decision import of_user
    from ops.access.declared import declared_apps, require_access
    from ops.access.users import read_users
    from ops.backup import acls

    asked = _asked(topic, operation, group, transaction)
    target = platform(context)
    require_access(target)
    apps = declared_apps(target)
    with target.admin() as client:
        users = {found.name: found for found in read_users(client, apps)}
        held = acls.read(client) or []
    refuse_unknown("user", [user], {*users, *(acl.principal.removeprefix("User:") for acl in held)})
    if user in users and users[user].is_super:
        _show_super_user(user, asked, as_json=as_json)
    elif asked is None:
        _show_all(user, of_user(user, held), as_json=as_json)
    else:
        exists = user in users and users[user].observed.exists
        _judge(user, asked, held, apps, exists=exists, stack=target.stack, as_json=as_json)


def _asked(
    topic: str | None, operation: Operation | None, group: str | None, transaction: str | None
) -> "Asked | None":
    """What the options ask; None if they ask for everything.

    Raises:
        typer.BadParameter: They ask for two things, or for half of one.
    """
    from ops.access.decision import Asked

    given = {"--topic": topic, "--group": group, "--transaction": transaction}
    if len(named := [option for option, value in given.items() if value is not None]) > 1:
        raise typer.BadParameter("one question at a time", param_hint=" and ".join(named))
    if (topic is None) != (operation is None):
        raise typer.BadParameter("--topic and --operation go together", param_hint="--topic")
    if topic is not None and operation is not None:
        return Asked(operation=operation.value, resource="topic", name=topic)
    if group is not None:
        return Asked(operation="read", resource="group", name=group)
    if transaction is not None:
        return Asked(operation="write", resource="transactional-id", name=transaction)
    return None


def _show_super_user(user: str, asked: "Asked | None", *, as_json: bool) -> None:
    why = f"User:{user} is the platform's own user, who may do everything"
    if as_json:
        document: dict[str, Any] = {"user": user, "superUser": True}
        console.json_document(document if asked is None else {**document, **_question(asked), "allowed": True})
    else:
        console.line(why)


def _show_all(user: str, acls: "Sequence[Acl]", *, as_json: bool) -> None:
    from ops.access.decision import acl_json

    rules = [acl_json(acl) for acl in acls]
    if as_json:
        console.json_document({"user": user, "superUser": False, "acls": rules})
        return
    rows = [
        [
            rule["permission"],
            rule["operation"],
            rule["resource"],
            f"{rule['name']}{'*' if rule['prefixed'] else ''}",
            rule["principal"],
            rule["host"],
        ]
        for rule in rules
    ]
    console.table(("PERMISSION", "OPERATION", "RESOURCE", "NAME", "PRINCIPAL", "HOST"), rows)
    if not rows:
        console.say(f"User:{user} may do nothing")


def _judge(
    user: str,
    asked: "Asked",
    held: "Sequence[Acl]",
    apps: "Sequence[AppSpec]",
    *,
    exists: bool,
    stack: str,
    as_json: bool,
) -> None:
    """Show what brokers decide, and end with 1 if the user may not."""
    from ops.access.decision import acl_json, acl_text, decide

    verdict = decide(user, asked, held)
    because = verdict.denied_by or verdict.allowed_by
    if verdict.allowed and not exists:
        console.say(
            f"the user {user} has rights and no password: it cannot log in; run `pulumi up -s {stack} --refresh`"
        )
    fix = "" if verdict.allowed else _fix(user, asked, verdict, apps, stack)
    if as_json:
        console.json_document(
            {
                "user": user,
                "superUser": False,
                **_question(asked),
                "allowed": verdict.allowed,
                "acls": [acl_json(acl) for acl in because],
                "fix": fix,
            }
        )
    elif verdict.allowed:
        console.line(f"User:{user} may {asked}: {'; '.join(map(acl_text, because))}")
    else:
        console.line(fix)
    if not verdict.allowed:
        raise typer.Exit(ExitCode.FOUND_WRONG)


def _question(asked: "Asked") -> dict[str, str]:
    return {"operation": asked.operation, "resource": asked.resource, "name": asked.name}


def _fix(user: str, asked: "Asked", verdict: "Verdict", apps: "Sequence[AppSpec]", stack: str) -> str:
    """Why a user may not do something, and what would let it."""
    from components.access.rules import OWN_RIGHTS, missing_right
    from ops.access.decision import acl_text
    from ops.access.declared import app_of

    what = f"User:{user} may not {asked}"
    if verdict.denied_by:
        rules = "; ".join(map(acl_text, verdict.denied_by))
        return f"{what}, whatever is declared: {rules}. Somebody made that by hand; remove it with kafka-acls.sh"
    if verdict.allowed_by:
        rules = "; ".join(map(acl_text, verdict.allowed_by))
        return f"{what} from any host, only from some: {rules}"
    if user in OWN_RIGHTS:
        if any(right.allows(asked.operation, asked.resource, asked.name) for right in OWN_RIGHTS[user]):
            return f"{what}: somebody took the right away; `pulumi up -s {stack} --refresh` gives it back"
        return f"{what}: it is a user of the platform, which does not need to"
    app = app_of(user, apps)
    if app is not None and any(right.allows(asked.operation, asked.resource, asked.name) for right in app.rights()):
        return f"{what} yet: the stack file allows it; `pulumi up -s {stack} --refresh` makes it so"
    return missing_right(user, asked.operation, asked.resource, asked.name, apps)
