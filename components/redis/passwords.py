"""A change of the password: which ones the server accepts, and how a running server accepts a new one."""

from collections.abc import Callable, Sequence
from typing import Any

from components.errors import UnhealthyError
from components.redis.client import TIMEOUT, connection
from components.redis.files import password_rule
from components.routes import DIRECT, Route, patience
from components.waiting import wait_until


def accepted_after(accepted: Sequence[str], password: str, *, keep_previous: bool) -> list[str]:
    """The passwords that a server accepts after a change, the one in use first.

    Args:
        accepted: The passwords that it accepts before, the one in use first.
        password: The password to use.
        keep_previous: Whether the one before stays accepted.
    """
    others = [item for item in accepted if item != password]
    return [password, *(others[:1] if keep_previous else [])]


def accept_password(
    address: str,
    known: Sequence[str],
    new: str,
    *,
    deadline: float,
    report: Callable[[str], None],
    route: Route = DIRECT,
) -> None:
    """Make a running server accept one more password, until it restarts.

    Args:
        address: ``host:port``.
        known: Passwords of which it may accept one, the likeliest first.
        new: The password to accept.
        deadline: Seconds to wait for a server that does not answer.
        report: Called with a line when the outcome is not the usual one.
        route: How the server is reached.

    Raises:
        UnhealthyError: The server runs but did not answer before the deadline.
    """
    try:
        wait_until(
            lambda: _acceptance_findings(address, [new, *known], new, route, report),
            what="Redis",
            deadline=deadline,
            report=report,
            state="ready to accept the new password",
        )
    except UnhealthyError:
        if not _is_away(address, route):
            raise
        report("Redis does not run; it accepts the new password when it starts")


def _acceptance_findings(
    address: str, known: Sequence[str], new: str, route: Route, report: Callable[[str], None]
) -> list[str]:
    """Why the server does not accept the new password yet."""
    from redis.exceptions import AuthenticationError, RedisError

    for password in known:
        client: Any = connection(address, password, route)
        try:
            client.execute_command("ACL", "SETUSER", "default", password_rule(new))
        except AuthenticationError:
            continue
        except RedisError as error:
            why = route.trouble(address) or str(error).replace(route.local(address), address)
            return [f"it does not accept the new password yet ({why})"]
        finally:
            client.close()
        return []
    # Someone changed it by hand. Waiting cannot help, and it accepts what its file says when it starts again.
    report("Redis accepts none of the stack's passwords now; it does when it has restarted")
    return []


def _is_away(address: str, route: Route) -> bool:
    """Whether nothing listens at the address, so that no client is connected."""
    try:
        route.connect(address, patience(route, TIMEOUT)).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False
