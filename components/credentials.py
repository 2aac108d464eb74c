"""Passwords that nobody has to think of."""

import pulumi
from pulumi.dynamic import Resource

from components.providers.credentials import CredentialsProvider


class Credentials(Resource, module="millrace", name="Credentials"):
    """A generated password, encrypted in the state.

    Args:
        name: The resource's name.
        account: What the password is for; another account gets another password.
        opts: Resource options.
    """

    password: pulumi.Output[str]
    """The password, a secret."""

    def __init__(self, name: str, account: str, opts: pulumi.ResourceOptions | None = None) -> None:
        # Whatever a dynamic provider makes itself is plain in the state unless it is named here.
        secret = pulumi.ResourceOptions(additional_secret_outputs=["password"])
        props: dict[str, object] = {"account": account, "password": None}
        super().__init__(CredentialsProvider(), name, props, pulumi.ResourceOptions.merge(opts, secret))
