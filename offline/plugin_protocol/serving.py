"""A plugin's server. The engine starts the process and reads the port from the first line of output."""

import importlib.util
import os
import signal
import sys
import types
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

MESSAGE_LIMIT = 400 * 1024 * 1024
"""Bytes of one message: the engine's own limit."""


def leave_out_the_sdk() -> None:
    """Let the protocol's messages be imported without the rest of the SDK, which would triple the start-up time."""
    spec = importlib.util.find_spec("pulumi")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("pulumi")
    package = Path(spec.origin).parent
    for name in ("", ".runtime", ".runtime.proto"):
        module = types.ModuleType(f"pulumi{name}")
        module.__path__ = [str(package.joinpath(*name.split(".")))]
        sys.modules[module.__name__] = module


def serve(make: Callable[[str], Any], threads: int) -> None:
    """Serve until the engine ends the process.

    Args:
        make: Gives the provider; called with the engine's address, which is empty where a person starts the plugin.
        threads: How many calls are answered at the same time.
    """
    import grpc
    from pulumi.runtime.proto import provider_pb2_grpc

    options = [("grpc.max_receive_message_length", MESSAGE_LIMIT), ("grpc.max_send_message_length", MESSAGE_LIMIT)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=threads), options=options)
    engine = sys.argv[-1] if len(sys.argv) > 1 else ""
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(make(engine), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    # The engine ends plugins with an interrupt and waits five seconds before it kills: leave at once.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    print(port, flush=True)
    server.wait_for_termination()
