"""Dynamic provider of the passwords that a Redis server accepts: the one in use, and the one before it."""

from collections.abc import Sequence

from pulumi.dynamic import CreateResult, DiffResult, ResourceProvider, UpdateResult

from components.dynamic import Props, is_known, plain_errors, progress
from components.redis.passwords import accept_password, accepted_after
from components.targets.routes import open_route


class RedisPasswordsProvider(ResourceProvider):
    """Remembers the previous password, and makes the running server accept a new one before anything uses it."""

    def create(self, props: Props) -> CreateResult:
        """Accept one password; the server that starts with it does not run yet."""
        return CreateResult(props["member"], {**props, "accepted": [props["password"]]})

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Only other passwords are a change. A preview says which ones the server will accept."""
        if not is_known(_news.get("password")):
            return DiffResult(changes=True)
        old, new = _olds["accepted"], _accepted(_olds, _news)
        if new != old:
            progress(f"{_news['member']}: {_meaning(old, new)}")
        return DiffResult(changes=new != old)

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Make the running server accept a new password; its file says which ones when it restarts."""
        accepted = _accepted(_olds, _news)
        if accepted[0] != _olds["accepted"][0]:
            accept_password(
                _news["address"],
                _olds["accepted"],
                accepted[0],
                deadline=float(_news["deadline"]),
                report=progress,
                route=open_route(_news.get("route")),
            )
        return UpdateResult({**_news, "accepted": accepted})


def _accepted(old: Props, new: Props) -> list[str]:
    return accepted_after(old["accepted"], new["password"], keep_previous=bool(new["acceptPrevious"]))


def _meaning(old: Sequence[str], new: Sequence[str]) -> str:
    if new[0] == old[0]:
        return "the previous password is no longer accepted"
    if len(new) > 1:
        return "the new and the previous password are both accepted, until redis.acceptPreviousPassword is false"
    return "only the new password is accepted after the restart, since redis.acceptPreviousPassword is false"
