"""What the stack file declares about access, and what to say where a platform has none."""

from collections.abc import Sequence

from components.access.rules import AppSpec
from components.errors import SettingsError
from components.kafka.security import Security
from ops.doctor.local_stack import LocalStack
from ops.errors import RefusedError
from ops.platform import Platform


def declared_apps(platform: Platform) -> list[AppSpec]:
    """The applications of the stack file, in its order.

    Raises:
        RefusedError: The stack file has mistakes.
    """
    try:
        return [app.spec() for app in LocalStack(platform.stack).settings.apps]
    except SettingsError as error:
        raise RefusedError(error.headline, error.problems) from None


def require_access(platform: Platform) -> Security:
    """Who connects to the platform's brokers.

    Raises:
        RefusedError: They ask nobody who they are.
    """
    if platform.security is None:
        raise RefusedError(
            f"access is off for stack {platform.stack}: its brokers have no users, rights or certificates, and "
            "whoever reaches them may do everything",
            [
                f"to have them, set millrace:access: {{enabled: true}} in Pulumi.{platform.stack}.yaml of a new stack, "
                "since access cannot be turned on for a platform that runs; docs/ACCESS.md says how"
            ],
        )
    return platform.security


def app_of(user: str, apps: Sequence[AppSpec]) -> AppSpec | None:
    """The application that has a user; None if none has."""
    return next((app for app in apps if user in app.users), None)
