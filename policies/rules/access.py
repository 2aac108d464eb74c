"""Rules on the users of applications, their rights and limits, and on certificates."""

from collections.abc import Iterator

from policies.rules.rule import PRODUCTION, Context, Limit, Rule
from policies.view.access import Certificate, User
from policies.view.settings import super_users
from policies.view.stack import Stack

_KAFKA = "https://kafka.apache.org/39/documentation.html#"
_EVERYTHING = "*"


def _users(stack: Stack) -> list[User]:
    return stack.users


def _wildcard(user: User, context: Context) -> Iterator[str]:
    for right in user.rights:
        # The name * stands for every resource, and so does a prefix without a letter, which is written in the same way.
        if right.name == _EVERYTHING:
            yield f"{user} may {right.operation} every {right.kind}"


def _super_user(user: User, context: Context) -> Iterator[str]:
    if any(f"User:{user.name}" in super_users(broker) for broker in context.stack.brokers):
        yield f"{user} is in super.users of the brokers, so it may do everything"


def _quota(user: User, context: Context) -> Iterator[str]:
    if not context.production:
        return
    for operation, key in (("write", "producer_byte_rate"), ("read", "consumer_byte_rate")):
        if user.may(operation, "topic") and key not in user.quota:
            yield f"{user} may {operation} without a limit ({key})"


def _expiry(certificate: Certificate, context: Context) -> Iterator[str]:
    if (certificate.expires - context.today).days < int(context.limits["days"]):
        yield f"{certificate} expires on {certificate.expires}"


RULES = (
    Rule(
        name="no-wildcard-right",
        title="No application has a right on every topic, group or transactional id",
        reason="Whoever takes over one application may then read or replace the records of all.",
        remedy="Name the topics, groups and ids, or a prefix that only this application's have.",
        source=f"{_KAFKA}security_authz",
        severity="high",
        subjects=_users,
        check=_wildcard,
    ),
    Rule(
        name="no-super-user-app",
        title="No application's user is a super user of the brokers",
        reason="Brokers ask for no right of a super user, so what is declared for it restricts nothing.",
        remedy="Remove the user from super.users, or name the application differently.",
        source=f"{_KAFKA}brokerconfigs_super.users",
        severity="critical",
        subjects=_users,
        check=_super_user,
    ),
    Rule(
        name="app-quota",
        title="In production, what an application may read or write has a limit",
        reason="One that goes wrong may take all of the brokers' network and disk from the others.",
        remedy="Set quota.produce and quota.consume of the application.",
        source=f"{_KAFKA}design_quotas",
        severity="medium",
        mandatory=False,
        subjects=_users,
        check=_quota,
        limits={"production": PRODUCTION},
    ),
    Rule(
        name="certificate-expiry",
        title="No certificate expires soon",
        reason="When one has expired, clients and brokers refuse to connect.",
        remedy="Run `pulumi up`: it renews a certificate after two thirds of its lifetime, and restarts what uses it.",
        source=f"{_KAFKA}security_ssl",
        severity="high",
        mandatory=False,
        subjects=lambda stack: stack.certificates,
        check=_expiry,
        limits={"days": Limit(default=14, meaning="Days that a certificate must be valid for at least")},
    ),
)
