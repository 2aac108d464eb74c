"""Passes bytes between a client and a pod, and ends connections that have lost one side."""

import select
import socket
import threading
import time

from components.targets.kubernetes.port_forward import PodConnection

PING_SECONDS = 5.0
"""Seconds between two pings of a pod's node."""

DEAD_SECONDS = 14.0
"""Seconds without any answer after which a connection counts as dead."""

LINGER_SECONDS = 3.0
"""Seconds without a byte after which a connection ends once its client has closed its sending side: the API cannot
pass that on, and most such clients are gone altogether."""

_CHUNK = 64 * 1024
_BUFFER_LIMIT = 256 * 1024
"""Bytes buffered in one direction at which its source is no longer read."""


def relay(client: socket.socket, pod: PodConnection, closing: threading.Event) -> None:
    """Pass bytes both ways until either side ends, then close the pod's connection; blocks until then.

    Args:
        client: The client's connection; its owner closes it.
        pod: The connection to the pod.
        closing: Set when everything has to end.
    """
    try:
        client.setblocking(False)
        _Relay(client, pod).run(closing)
    finally:
        pod.close()


class _Relay:
    """The bytes of one connection; one thread moves both directions, since TLS allows only one at a time."""

    def __init__(self, client: socket.socket, pod: PodConnection) -> None:
        self._client = client
        self._pod = pod
        self._to_client = bytearray(pod.receive())  # a pod may have sent bytes, and even ended, before this starts
        self._client_ended = False
        self._client_gone = False
        self._last_moved = time.monotonic()
        self._last_ping = 0.0

    def run(self, closing: threading.Event) -> None:
        while not closing.is_set() and not self._is_over():
            self._keep_alive()
            client, pod = self._wait()
            if client & (select.POLLIN | select.POLLHUP):
                self._read_client(hung_up=bool(client & select.POLLHUP))
            if client & (select.POLLERR | select.POLLNVAL):
                return
            if pod:
                self._to_client += self._pod.receive()
            self._pod.flush()
            self._write_client()

    def _is_over(self) -> bool:
        if self._pod.ended and not self._to_client:
            return True
        if self._client_gone and not self._pod.unsent:
            return True
        ending = self._pod.ended or self._client_ended
        return ending and time.monotonic() - self._last_moved > LINGER_SECONDS

    def _keep_alive(self) -> None:
        """Ping the pod's node now and then; end the connection if it no longer answers."""
        now = time.monotonic()
        if len(self._to_client) >= _BUFFER_LIMIT:
            self._pod.last_received = now  # nothing is read, so no answer can arrive
        if self._pod.answers_pings and now - self._pod.last_received > DEAD_SECONDS:
            self._pod.ended = True
        elif now - self._last_ping >= PING_SECONDS:
            self._last_ping = now
            self._pod.ping()
            self._pod.flush()

    def _wait(self) -> tuple[int, int]:
        """Wait until bytes can be moved; returns the poll events of client and pod."""
        poll = select.poll()
        wants_client = select.POLLOUT if self._to_client else 0
        if not self._client_ended and not self._pod.ended and self._pod.unsent < _BUFFER_LIMIT:
            wants_client |= select.POLLIN
        if not self._client_gone:
            poll.register(self._client, wants_client)
        wants_pod = select.POLLOUT if self._pod.unsent else 0
        if len(self._to_client) < _BUFFER_LIMIT:
            wants_pod |= select.POLLIN
        if wants_pod and not self._pod.ended:
            poll.register(self._pod, wants_pod)
        until = self._last_ping + PING_SECONDS
        if self._pod.ended or self._client_ended:
            until = min(until, self._last_moved + LINGER_SECONDS)
        more = self._pod.buffered and wants_pod & select.POLLIN
        wait = 0 if more else max(until - time.monotonic(), 0) * 1000 + 1
        events = dict(poll.poll(wait))
        pod = 0 if self._pod.ended else events.get(self._pod.fileno(), 0)
        return events.get(self._client.fileno(), 0), pod or (select.POLLIN if more else 0)

    def _read_client(self, *, hung_up: bool) -> None:
        """Read once, or everything that is left if the client hung up."""
        try:
            while not self._client_ended:
                data = self._client.recv(_CHUNK)
                self._client_ended = not data
                if data:
                    self._last_moved = time.monotonic()
                    self._pod.send(data)
                if not hung_up:
                    break
        except BlockingIOError:
            pass
        except OSError:
            self._client_ended = self._client_gone = True
        if hung_up:
            self._client_ended = self._client_gone = True
        if self._client_ended:
            self._last_moved = time.monotonic()

    def _write_client(self) -> None:
        try:
            while self._to_client:
                sent = self._client.send(self._to_client[:_CHUNK])
                del self._to_client[:sent]
                self._last_moved = time.monotonic()
        except BlockingIOError:
            pass
        except OSError:
            self._client_gone = True
            self._to_client.clear()
