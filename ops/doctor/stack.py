"""Checks of the stack: its file, passphrase, state, containers and members."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.errors import SettingsError, count
from components.naming import PLATFORM_LABEL
from components.stack_file.interrupted import unfinished
from ops.doctor.local_stack import LocalStack
from ops.doctor.outcome import Outcome, ok, skipped, warning, wrong
from ops.errors import UnreachableError
from ops.heal.locks import locks_of

if TYPE_CHECKING:
    from datetime import datetime

    from ops.access.expiry import Certificate

_CONTAINER = "docker:index/container:Container"


def stack_file(local: LocalStack) -> Outcome:
    """The stack file is valid."""
    if not local.stack_file.exists():
        return wrong(f"there is no {local.stack_file.name}", f"pulumi stack init {local.name}")
    try:
        settings = local.settings
    except SettingsError as error:
        return wrong("; ".join(error.problems), f"edit {local.stack_file.name}")
    return ok(f"{local.stack_file.name}: {settings.profile}, {count(len(settings.topics), 'topic')}")


def passphrase(local: LocalStack) -> Outcome:
    """The passphrase decrypts the stack's secrets."""
    try:
        outputs = local.outputs
    except UnreachableError as error:
        message = "; ".join(error.problems) or error.headline
        if "no stack named" in message:
            return wrong(message, f"pulumi stack init {local.name}")
        if "passphrase" in message:
            return wrong(message, ". ./activate (sets the empty one), or export the PULUMI_CONFIG_PASSPHRASE you chose")
        raise
    return ok("decrypts the stack's secrets") if outputs else skipped("the stack has no secrets yet")


def lock(local: LocalStack) -> Outcome:
    """No killed update left a lock or unfinished creations."""
    heal = f"python -m ops -s {local.name} heal"
    if resources := unfinished(local.deployment):
        names = ", ".join(item["urn"].rpartition("::")[2] for item in resources)
        return wrong(f"an update was killed while creating: {names}", heal)
    if local.state_files is None:
        return skipped("the backend is not a folder")
    for found in locks_of(local.state_files):
        if found.is_held:
            return ok(f"an update is running ({found.holder})")
        return wrong(f"an update that no longer runs holds the lock ({found.holder})", heal)
    return ok("no update is running")


def containers(local: LocalStack) -> Outcome:
    """The containers in the state are running, and the platform has no others."""
    if local.settings.on_kubernetes:
        return skipped("the stack runs on Kubernetes")
    known = {
        resource["id"]: _container_name(resource)
        for resource in local.resources
        if resource["type"] == _CONTAINER and resource.get("id")
    }
    return judge_containers(known, _on_engine(local), local.name)


def _container_name(resource: Mapping[str, Any]) -> str:
    outputs: Mapping[str, Any] = resource.get("outputs") or {}
    return outputs.get("name") or resource["id"][:12]


def _on_engine(local: LocalStack) -> dict[str, tuple[str, bool]]:
    """Name and whether it is running, of each container with the platform's label, by id."""
    labels = {"label": f"{PLATFORM_LABEL}={local.platform_name}"}
    found = local.docker.api.containers(all=True, filters=labels)
    return {item["Id"]: (item["Names"][0].lstrip("/"), item["State"] == "running") for item in found}


def judge_containers(known: Mapping[str, str], existing: Mapping[str, tuple[str, bool]], stack: str) -> Outcome:
    """Compare the state with the engine.

    Args:
        known: Names of the containers in the state, by id.
        existing: Name and whether it is running, of the platform's containers on the engine, by id.
        stack: The stack's name.
    """
    gone = sorted(name for identity, name in known.items() if identity not in existing)
    stopped = sorted(name for identity, (name, running) in existing.items() if identity in known and not running)
    foreign = sorted(name for identity, (name, _) in existing.items() if identity not in known)
    parts = {"in the state but gone": gone, "stopped": stopped, "not in the state": foreign}
    seen = "; ".join(f"{what}: {', '.join(names)}" for what, names in parts.items() if names)
    if not seen:
        return ok(f"{count(len(known), 'container')} of the state are running" if known else "none, as in the state")
    fixes = [f"docker rm -f {' '.join(foreign)}"] if foreign else []
    fixes += [f"pulumi up -s {stack} --refresh"] if gone or stopped else []
    return wrong(seen, ", then ".join(fixes))


def members(local: LocalStack) -> Outcome:
    """Every member answers, and no partition is offline or under-replicated."""
    from ops.members.status import read_status

    if not local.is_up:
        return skipped(f"nothing is up; pulumi up -s {local.name}")
    found = read_status(local.platform)
    if found.problems:
        seen = "; ".join(problem.partition("\n")[0] for problem in found.problems)
        return wrong(seen, f"python -m ops -s {local.name} logs MEMBER, then pulumi up -s {local.name} --refresh")
    return ok(found.headline)


def certificates(local: LocalStack) -> Outcome:
    """No certificate that a broker presents, and no authority, has expired or will soon."""
    from ops.access.expiry import read_certificates, this_moment

    if not local.is_up:
        return skipped(f"nothing is up; pulumi up -s {local.name}")
    if local.platform.security is None:
        return skipped("access is off, so there are none")
    return judge_certificates(read_certificates(local.platform, local.resources), this_moment(), local.name)


def judge_certificates(found: "Sequence[Certificate]", now: "datetime", stack: str) -> Outcome:
    """Judge certificates by their age, and by what is wrong with them besides.

    Args:
        found: The certificates.
        now: The time, with a zone.
        stack: The stack's name.
    """
    from ops.access.expiry import troubles

    days = [left for item in found if (left := item.days_left(now)) is not None]
    if not (problems := troubles(found, now)):
        return ok(f"{count(len(found), 'certificate')}, the next one expires in {count(min(days, default=0), 'day')}")
    judged = wrong if any(item.has_failed(now) for item in found) else warning
    fixes = {
        f"python -m ops -s {stack} status": any(item.facts is None for item in found),
        f"python -m ops -s {stack} certificates renew": any(item.needs_renewal(now) for item in found),
        "change the authority as docs/ACCESS.md says": any(item.is_authority and item.trouble(now) for item in found),
    }
    return judged("; ".join(problems), ", then ".join(fix for fix, helps in fixes.items() if helps))
