"""How long certificates are valid: those that brokers present, and those that the stack's state holds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from components.access.certificates import Facts, facts_of, is_trusted
from components.kafka.security import served_certificate
from components.routes import Route, patience
from ops.access.declared import require_access
from ops.platform import Platform

SOON = timedelta(days=14)
"""A certificate that expires within this time is reported. `up` renews it long before: after two thirds of its
lifetime. So nobody has run `up` for months, or it fails."""

_SECONDS = 5.0
_AUTHORITY = "authority "
"""What names of authorities in the state start with."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate, and what is wrong with it.

    Args:
        where: Who presents it, or what knows it.
        facts: What it says of itself; None if it could not be read.
        is_authority: Whether it signs others.
        problem: What is wrong with it besides its age; "" if nothing.
    """

    where: str
    facts: Facts | None
    is_authority: bool = False
    problem: str = ""

    def days_left(self, now: datetime) -> int | None:
        """Whole days until it expires; negative afterwards, None if that is not known."""
        return None if self.facts is None else (self.facts.expires - now).days

    def trouble(self, now: datetime) -> str:
        """What is wrong with it, its age too; "" if nothing."""
        return "; ".join(part for part in (self.problem, self._age(now)) if part)

    def needs_renewal(self, now: datetime) -> bool:
        """Whether a new one would help: not for an authority, and not for a broker that does not answer."""
        return bool(self.trouble(now)) and self.facts is not None and not self.is_authority

    def has_failed(self, now: datetime) -> bool:
        """Whether clients cannot connect with it now."""
        return bool(self.problem) or (self.facts is not None and not self.facts.starts <= now < self.facts.expires)

    def _age(self, now: datetime) -> str:
        if self.facts is None:
            return ""
        if now >= self.facts.expires:
            return f"it expired on {self.facts.expires:%Y-%m-%d %H:%M} UTC"
        if now < self.facts.starts:
            return f"it is valid only from {self.facts.starts:%Y-%m-%d %H:%M} UTC; is this machine's clock right?"
        soon = self.facts.expires - now < SOON
        return f"it expires on {self.facts.expires:%Y-%m-%d}, in less than {SOON.days} days" if soon else ""

    def to_json(self, now: datetime) -> dict[str, Any]:
        """Stable keys for programs."""
        facts = self.facts
        return {
            "where": self.where,
            "name": None if facts is None else facts.name,
            "authority": self.is_authority,
            "issuer": None if facts is None else facts.issuer,
            "expires": None if facts is None else facts.expires.isoformat(),
            "daysLeft": self.days_left(now),
            "problem": self.trouble(now),
        }


Serve = Callable[[str], str]
"""Gives the certificate that an address presents, as PEM."""


def read_certificates(platform: Platform, resources: Iterable[Mapping[str, Any]]) -> list[Certificate]:
    """The certificates of a running platform.

    Args:
        platform: The platform.
        resources: The resources of the stack's state.

    Raises:
        RefusedError: The platform has none.
    """
    security, route = require_access(platform), platform.route
    return judge(platform.brokers, security.authorities, _in_state(resources), lambda address: _served(address, route))


def judge(brokers: Mapping[str, str], authorities: str, held: Mapping[str, str], serve: Serve) -> list[Certificate]:
    """What brokers present, compared with what is trusted and what the state holds.

    Args:
        brokers: ``host:port`` of each broker, by name.
        authorities: PEM of the authorities that clients trust.
        held: The day on which each certificate of the state expires, by name, as 2030-12-31.
        serve: Gives what an address presents.
    """
    found = [_presented(name, address, authorities, held, serve) for name, address in brokers.items()]
    trusted = [Certificate(where="clients", facts=facts, is_authority=True) for facts in facts_of(authorities)]
    return [*found, *trusted]


def _served(address: str, route: Route) -> str:
    return served_certificate(address, route=route, seconds=patience(route, _SECONDS))


def _presented(name: str, address: str, authorities: str, held: Mapping[str, str], serve: Serve) -> Certificate:
    try:
        pem = serve(address)
        facts = facts_of(pem)[0]
    except (OSError, ValueError) as error:
        return Certificate(where=name, facts=None, problem=f"{address} presents none: {error}")
    problems: list[str] = []
    if not is_trusted(pem, authorities):
        problems.append(f"it was signed by {facts.issuer}, whom clients do not trust")
    if (expires := held.get(facts.name)) and expires != f"{facts.expires:%Y-%m-%d}":
        problems.append(f"the state has another one, until {expires}: the last update did not end")
    return Certificate(where=name, facts=facts, problem="; ".join(problems))


def _in_state(resources: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The day on which each certificate of the state expires, by name."""
    found: dict[str, str] = {}
    for resource in resources:
        if str(resource["type"]).endswith("/millrace:Certificates"):
            outputs: Mapping[str, Mapping[str, str]] = resource.get("outputs") or {}
            days = outputs.get("expires") or {}
            found |= {name: day for name, day in days.items() if not name.startswith(_AUTHORITY)}
    return found


def troubles(certificates: Sequence[Certificate], now: datetime) -> list[str]:
    """What is wrong with certificates, one line for each."""
    return [f"certificate of {item.where}: {text}" for item in certificates if (text := item.trouble(now))]


def this_moment() -> datetime:
    """The time, with a zone."""
    return datetime.now(UTC)
