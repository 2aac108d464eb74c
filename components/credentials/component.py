"""Generated passwords as a resource."""

from dataclasses import dataclass

import pulumi
from pulumi.dynamic import Resource

from components.credentials.provider import CredentialsProvider


@dataclass(frozen=True, kw_only=True)
class CredentialsArgs:
    """Arguments of :class:`Credentials`.

    Args:
        account: The account that the password is for; a changed account gets a new password.
    """

    account: str


class Credentials(Resource, module="millrace", name="Credentials"):
    """A generated password, encrypted in the state.

    Args:
        name: The resource's name.
        args: The account that the password is for.
        opts: Resource options.
    """

    password: pulumi.Output[str]
    """The password, a secret."""

    def __init__(self, name: str, args: CredentialsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        # Without this, the state would hold the generated value in plain text.
        secret = pulumi.ResourceOptions(additional_secret_outputs=["password"])
        props: dict[str, object] = {"account": args.account, "password": None}
        super().__init__(CredentialsProvider(), name, props, pulumi.ResourceOptions.merge(opts, secret))
