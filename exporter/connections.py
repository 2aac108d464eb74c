"""Connections to members, several at once, and to whichever broker answers."""

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from components.kafka.client import ClusterState, accepts, admin_client, cluster_state
from components.kafka.security import Security

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

REQUEST_SECONDS = 5.0
"""Timeout of a Kafka request; a run makes only a few, also while one broker is silent."""

_TRIES = 3
"""Tries of a Kafka request: after a failure, the client asks a different broker, and one of three may be down."""

_THREADS = 16
"""Maximum members that are asked at once."""

T = TypeVar("T")


def ask_all(members: Mapping[str, str], ask: Callable[[str], T]) -> dict[str, T]:
    """The answer of each member, by name. Members are asked at once, so a hung one delays no other.

    Args:
        members: ``host:port`` of each member, by name.
        ask: Asks the member at an address.
    """
    with ThreadPoolExecutor(min(len(members), _THREADS) or 1) as pool:
        return dict(zip(members, pool.map(ask, members.values()), strict=True))


@contextmanager
def reachable_admin(bootstrap: str, security: Security | None = None) -> "Generator[KafkaAdminClient]":
    """An admin client for one run, connected to the first address that answers.

    Every run creates a client (about 10 ms): clients cache each group's coordinator permanently and would keep asking
    a broker that is no longer it. Addresses are tried one by one: given all of them, a client picks one, and if that
    broker hangs, waits for it until the timeout.

    Args:
        bootstrap: ``host:port`` of brokers, separated by commas.
        security: Who asks; None where brokers ask for nothing.

    Raises:
        OSError: None of the addresses accepts a connection.
        kafka.errors.KafkaError: No broker that accepts one answered in time.
    """
    addresses = bootstrap.split(",")
    accepting = ask_all(dict(zip(addresses, addresses, strict=True)), accepts)
    reachable = [address for address in addresses if accepting[address]]
    if not reachable:
        raise ConnectionError(f"nothing accepts a connection at {bootstrap}")
    with ExitStack() as stack:
        yield _first_that_answers(reachable, security, stack)


def _first_that_answers(addresses: Sequence[str], security: Security | None, stack: ExitStack) -> "KafkaAdminClient":
    from kafka.errors import KafkaError

    def client(address: str) -> "KafkaAdminClient":
        return stack.enter_context(admin_client(address, request_seconds=REQUEST_SECONDS, security=security))

    *others, last = addresses
    for address in others:
        with suppress(KafkaError):
            return client(address)
    return client(last)


def cluster_state_from_any(client: "KafkaAdminClient") -> ClusterState:
    """The cluster's metadata from whichever broker answers.

    Raises:
        kafka.errors.KafkaError: None of the brokers that were asked answered.
    """
    from kafka.errors import KafkaError

    for _ in range(_TRIES - 1):
        with suppress(KafkaError):
            return cluster_state(client)
    return cluster_state(client)
