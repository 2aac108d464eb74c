"""Dynamic provider of generated passwords."""

import secrets

from pulumi.dynamic import CreateResult, DiffResult, ResourceProvider

from components.dynamic import Props

PASSWORD_BYTES = 24
"""Random bytes of a password: 192 bits, above the 112 that NIST SP 800-131A requires of secrets."""


class CredentialsProvider(ResourceProvider):
    """Creates passwords once; they change only when the resource is replaced."""

    def create(self, props: Props) -> CreateResult:
        """Create a password of letters, digits, ``-`` and ``_``."""
        return CreateResult(props["account"], {**props, "password": secrets.token_urlsafe(PASSWORD_BYTES)})

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Replace the password when the account changes."""
        changed = _olds.get("account") != _news.get("account")
        return DiffResult(changes=changed, replaces=["account"] if changed else [])
