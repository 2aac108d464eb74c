"""What a stack file may say about who may do what."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from components.access.rules import AppSpec, Quota, app_name_problem, app_problems, key_problem, pattern_problem
from components.limits import MAX_ENTRIES, MAX_GENERATION, MAX_REQUEST_PERCENT, MAX_TEXT
from components.quantities import Duration, LongSize, Whole, at_most, format_duration
from components.sections import DnsLabel, Section

SHORTEST_LIFETIME = timedelta(hours=1)
LONGEST_LIFETIME = timedelta(days=825)
"""The longest that Apple's clients accept of a private authority's certificate
(https://support.apple.com/en-us/103769)."""


def _lifetime(value: timedelta) -> timedelta:
    if value < SHORTEST_LIFETIME:
        raise ValueError(f"must be at least {format_duration(SHORTEST_LIFETIME)}")
    return value


Lifetime = Annotated[Duration, AfterValidator(_lifetime), at_most(LONGEST_LIFETIME, format_duration(LONGEST_LIFETIME))]
Generation = Annotated[Whole, Field(ge=1, le=MAX_GENERATION)]


class TlsSettings(Section):
    """Certificates."""

    lifetime: Lifetime = Field(
        timedelta(days=365), description="How long a certificate is valid; `up` renews it after two thirds of that"
    )
    sign: Generation = Field(1, description="Number of the authority that signs certificates")
    trust: list[Generation] = Field(
        default_factory=lambda: [1],
        min_length=1,
        max_length=3,
        description="Numbers of the authorities that are trusted; to change one, trust both, then let the new one "
        "sign, then trust it alone, with an `up` after each",
    )

    def broken_rules(self) -> list[str]:
        """The authority that signs must be trusted."""
        if self.sign in self.trust:
            return []
        return [f"sign is {self.sign}, which trust does not have; members would not trust each other"]


class AccessSettings(Section):
    """Authentication, encryption and rights."""

    enabled: bool = Field(False, description="Whether clients need TLS, a user and rights")
    tls: TlsSettings = Field(default_factory=lambda: TlsSettings.model_validate({}), description="Certificates")


def _without_unit(value: object) -> object:
    """``5MiB/s`` as ``5MiB``."""
    return value.strip().removesuffix("/s") if isinstance(value, str) else value


def _positive(value: LongSize) -> LongSize:
    if value < 1:
        raise ValueError("must be at least 1 byte per second")
    return value


Rate = Annotated[LongSize, BeforeValidator(_without_unit), AfterValidator(_positive)]
"""Bytes per second: ``5MiB/s``."""


class QuotaSettings(Section):
    """How much an application may take from each broker."""

    produce: Rate | None = Field(None, description="Bytes per second that it writes, such as 5MiB/s; unset is no limit")
    consume: Rate | None = Field(None, description="Bytes per second that it reads; unset is no limit")
    request_percent: Whole | None = Field(
        None,
        ge=1,
        le=MAX_REQUEST_PERCENT,
        description="Share of a broker's request threads, in percent of one thread; unset is no limit",
    )

    def quota(self) -> Quota:
        """The limits in bytes."""
        return Quota(
            produce=None if self.produce is None else int(self.produce),
            consume=None if self.consume is None else int(self.consume),
            request_percent=self.request_percent,
        )


def _legal_app(name: str) -> str:
    if problem := app_name_problem(name):
        raise ValueError(problem)
    return name


def _legal_topic(pattern: str) -> str:
    if problem := pattern_problem(pattern, topic=True):
        raise ValueError(problem)
    return pattern


def _legal_pattern(pattern: str) -> str:
    if problem := pattern_problem(pattern):
        raise ValueError(problem)
    return pattern


def _legal_key(pattern: str) -> str:
    if problem := key_problem(pattern):
        raise ValueError(problem)
    return pattern


TopicPattern = Annotated[str, AfterValidator(_legal_topic)]
Pattern = Annotated[str, AfterValidator(_legal_pattern)]
KeyPattern = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(_legal_key)]


class AppSettings(Section):
    """One application: a user, its rights and its limits. A name that ends with ``*`` means all that start so."""

    name: Annotated[str, AfterValidator(_legal_app)] = Field(description="The application's name, and its user's")
    produces: list[TopicPattern] = Field(
        default_factory=list[str], max_length=MAX_ENTRIES, description="Topics that it writes to"
    )
    consumes: list[TopicPattern] = Field(
        default_factory=list[str], max_length=MAX_ENTRIES, description="Topics that it reads from"
    )
    groups: list[Pattern] = Field(
        default_factory=list[str], max_length=MAX_ENTRIES, description="Consumer groups that it is in"
    )
    transactions: list[Pattern] = Field(
        default_factory=list[str], max_length=MAX_ENTRIES, description="Transactional ids of its producers"
    )
    redis: list[KeyPattern] = Field(
        default_factory=list[str],
        max_length=MAX_ENTRIES,
        description='Patterns of its Redis keys and channels, as "billing:*"; needs `redis.authentication`',
    )
    quota: QuotaSettings = Field(
        default_factory=lambda: QuotaSettings.model_validate({}), description="What it may take from each broker"
    )
    namespace: DnsLabel | None = Field(
        None,
        description="On Kubernetes, the existing namespace of its pods: it gets the Secret with what they need; unset "
        "is the platform's",
    )
    generation: Generation = Field(
        1, description="Raise it by one for a new user with a new password, such as billing-2"
    )
    keep_previous: bool = Field(True, description="Whether the user before the last new one still works")

    @field_validator("redis", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    def broken_rules(self) -> list[str]:
        """A consumer needs a group, a transaction a topic, and an application something to do."""
        return app_problems(self.spec())

    def spec(self) -> AppSpec:
        """The declaration, for :mod:`components.access.rules`."""
        return AppSpec(
            name=self.name,
            produces=self.produces,
            consumes=self.consumes,
            groups=self.groups,
            transactions=self.transactions,
            redis=self.redis,
            quota=self.quota.quota(),
            generation=self.generation,
            keep_previous=self.keep_previous,
        )
