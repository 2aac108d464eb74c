"""`ops certificates`: when certificates expire, and new ones."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from ops import console
from ops.commands import up
from ops.commands.options import AsJson, platform
from ops.errors import ExitCode

if TYPE_CHECKING:
    from datetime import datetime

    from ops.access.expiry import Certificate


def register(app: typer.Typer) -> None:
    """Add the commands."""
    certificates = typer.Typer(no_args_is_help=True, help="Show when certificates expire, and make new ones.")
    certificates.command("list")(list_certificates)
    certificates.command("renew")(renew)
    app.add_typer(certificates, name="certificates")


def list_certificates(context: typer.Context, as_json: AsJson = False) -> None:
    """List the certificate that each broker presents, and the authorities that clients trust.

    Exits with 1 if one has expired, expires within 14 days, or is not the right one.
    """
    from ops.access.expiry import read_certificates, this_moment, troubles
    from ops.doctor.local_stack import LocalStack

    target = platform(context)
    found, now = read_certificates(target, LocalStack(target.stack).resources), this_moment()
    if as_json:
        console.json_document([certificate.to_json(now) for certificate in found])
    else:
        headings = ("WHERE", "CERTIFICATE", "SIGNED BY", "EXPIRES", "DAYS LEFT", "PROBLEM")
        console.table(headings, [_row(certificate, now) for certificate in found], numbers=("DAYS LEFT",))
    problems = troubles(found, now)
    for problem in problems:
        console.say(problem)
    if any(item.needs_renewal(now) for item in found):
        console.say(f"for new certificates: python -m ops -s {target.stack} certificates renew")
    if any(item.is_authority and item.trouble(now) for item in found):
        console.say("to change an authority: docs/ACCESS.md#certificates")
    if problems:
        raise typer.Exit(ExitCode.FOUND_WRONG)


def _row(certificate: "Certificate", now: "datetime") -> list[str]:
    facts = certificate.facts
    kind = "authority " if certificate.is_authority else ""
    return [
        certificate.where,
        "?" if facts is None else f"{kind}{facts.name}",
        "?" if facts is None else facts.issuer,
        "?" if facts is None else f"{facts.expires:%Y-%m-%d}",
        console.number(certificate.days_left(now)),
        certificate.trouble(now) or "none",
    ]


def renew(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not preview, and do not ask")] = False,
) -> None:
    """Make new certificates for the brokers now, and update the stack: `ops up` with that asked for.

    Authorities stay, so clients need nothing. Brokers restart one at a time, each when all replicas are in sync. Like
    every update it also applies what was changed in the stack file.
    """
    from components.access.certificates import RENEW
    from ops.access.declared import require_access
    from ops.access.expiry import this_moment

    require_access(platform(context))
    os.environ[RENEW] = this_moment().isoformat(timespec="seconds")
    up.up(context, yes=yes)
