"""Dynamic provider of certificates."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ResourceProvider, UpdateResult

from components.dynamic import Props, failures, is_known, plain_errors, progress

if TYPE_CHECKING:
    from components.access.certificates import CertificateSet, Pair, Wanted

_INPUTS = ("platform", "sign", "trust", "hosts", "lifetime")


class CertificatesProvider(ResourceProvider):
    """Makes certificates once and renews them in time; all that exists is in the state.

    What the state holds decides, so an update that was killed is repeated, and makes only what it had not.
    """

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """The authority that signs must be trusted, and have been trusted by all before it signs."""
        if not (is_known(news.get("sign")) and is_known(news.get("trust"))):
            return CheckResult(news, [])
        return CheckResult(news, failures("sign", _signer_problems(_olds, news)))

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Time alone is a change: a certificate that is due is renewed by the next ``up``. A preview says which."""
        if not all(is_known(_news.get(key)) for key in _INPUTS):
            return DiffResult(changes=True)
        lines = _planned(_olds, _news)
        for line in lines:
            progress(f"certificates: {line}")
        changed = any(_olds.get(key) != _news.get(key) for key in _INPUTS)
        return DiffResult(changes=bool(lines) or changed)

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Create the authorities and all certificates."""
        return CreateResult(props["platform"], _made({}, props))

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Create what is new, changed or due; keep the rest."""
        return UpdateResult(_made(_olds, _news))


def _signer_problems(old: Props, new: Props) -> list[str]:
    sign, trust = _number(new["sign"]), [*map(_number, new["trust"])]
    if sign not in trust:
        return [f"authority {sign} signs but is not trusted; trusted are {', '.join(trust)}"]
    known = old.get("trust")
    if known and is_known(known) and sign not in map(_number, known):
        return [
            f"authority {sign} would sign, but members do not trust it yet: trust it beside the one that signs, "
            "run `pulumi up`, then let it sign"
        ]
    return []


def _number(value: Any) -> str:
    """A number as text; the engine passes floats."""
    return str(int(value))


def _planned(olds: Props, news: Props) -> list[str]:
    from components.access.certificates import planned

    return planned(_set_of(olds), _wanted(news), datetime.now(UTC))


def _made(olds: Props, news: Props) -> Props:
    """The inputs with the certificates that they ask for."""
    from components.access.certificates import renewed

    made = renewed(_set_of(olds), _wanted(news), datetime.now(UTC))
    return {
        **news,
        "authorities": _outputs_of(made.authorities),
        "members": _outputs_of(made.members),
        "trusted": "".join(pair.certificate for pair in made.authorities.values()),
        "expires": {
            name: f"{pair.expires:%Y-%m-%d}"
            for name, pair in {**_named("authority ", made.authorities), **made.members}.items()
        },
    }


def _named(prefix: str, pairs: "Mapping[str, Pair]") -> "dict[str, Pair]":
    return {f"{prefix}{name}": pair for name, pair in pairs.items()}


def _outputs_of(pairs: "Mapping[str, Pair]") -> dict[str, dict[str, str]]:
    return {
        name: {"key": pair.key, "certificate": pair.certificate, "keystore": pair.keystore}
        for name, pair in pairs.items()
    }


def _set_of(olds: Props) -> "CertificateSet":
    """The certificates that the state holds."""
    from components.access.certificates import CertificateSet, Pair

    def pairs(name: str) -> "dict[str, Pair]":
        found: Mapping[str, Mapping[str, str]] = olds.get(name) or {}
        return {key: Pair(key=item["key"], certificate=item["certificate"]) for key, item in found.items()}

    return CertificateSet(authorities=pairs("authorities"), members=pairs("members"))


def _wanted(news: Props) -> "Wanted":
    from components.access.certificates import Wanted

    return Wanted(
        platform=news["platform"],
        sign=_number(news["sign"]),
        trust=[*map(_number, news["trust"])],
        hosts=news["hosts"],
        lifetime=timedelta(seconds=float(news["lifetime"])),
    )
