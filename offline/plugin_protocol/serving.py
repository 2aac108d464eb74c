"""A plugin's gRPC server. The engine starts the process and reads the port from its first line of output."""

import importlib.util
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

MESSAGE_LIMIT = 400 * 1024 * 1024
"""Bytes per message: the engine's own limit."""


WATCH_SECONDS = 0.2
"""Seconds between two looks at the process that started this one."""


def end_with_parent() -> None:
    """End this process when the one that started it is gone: a killed engine ends none of its plugins."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent").start()


def leave_out_the_sdk() -> None:
    """Make the protocol's messages importable without the rest of the SDK, which would triple the start-up time."""
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
        make: Creates the provider; called with the engine's address, which is empty if a user starts the plugin.
        threads: Number of concurrent calls.
    """
    import grpc
    from pulumi.runtime.proto import provider_pb2_grpc

    options = [("grpc.max_receive_message_length", MESSAGE_LIMIT), ("grpc.max_send_message_length", MESSAGE_LIMIT)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=threads), options=options)
    engine = sys.argv[-1] if len(sys.argv) > 1 else ""
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(make(engine), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    end_with_parent()
    # The engine interrupts plugins and kills them five seconds later: exit at once.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    print(port, flush=True)
    server.wait_for_termination()
