"""Pulumi's Python language host, on the SDK's own language server.

The engine starts it as ``pulumi-language-python ENGINE_ADDRESS``, reads a port from the first line of its output,
and then calls it to run programs and policy packs. It uses the interpreter of the project's virtual environment, and
imports nothing of the project: set-up copies this file alone.
"""

import os
import queue
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from importlib import metadata
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

VERSION = "3.258.0"
"""The CLI's version: the engine expects bundled hosts of the same version."""

MESSAGE_LIMIT = 400 * 1024 * 1024
"""Bytes per message: the engine's own limit."""


WATCH_SECONDS = 0.2
"""Seconds between two looks at the engine's process."""


class LanguageHost(LanguageServer):
    """Runs Python programs and policy packs for the engine."""

    def __init__(self, engine_address: str) -> None:
        super().__init__(lambda: None)
        self._engine_address = engine_address
        self._plugins: set[subprocess.Popen[bytes]] = set()

    def end_with_engine(self) -> None:
        """End this process and the plugins that it runs when the engine is gone, which ends none of them when killed.

        The program runs in this process, so it ends too.
        """
        engine = os.getppid()

        def watch() -> None:
            while os.getppid() == engine:
                time.sleep(WATCH_SECONDS)
            for plugin in tuple(self._plugins):
                plugin.kill()
            os._exit(1)

        threading.Thread(target=watch, daemon=True, name="engine").start()

    def Handshake(self, request: Any, context: Any) -> Any:
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> Any:
        return language_pb2.RuntimeOptionsResponse()

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        """The installed packages, for `pulumi about`."""
        found = {item.name: item.version for item in metadata.distributions()}
        dependencies = [language_pb2.DependencyInfo(name=name, version=found[name]) for name in sorted(found)]
        return language_pb2.GetProgramDependenciesResponse(dependencies=dependencies)

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def Run(self, request: Any, context: Any) -> Any:
        """Run a program in its own folder, as the official host does."""
        folder = request.info.program_directory or request.pwd

        def program() -> None:
            os.chdir(folder)
            sys.path.insert(0, folder)
            runpy.run_path(os.path.join(folder, request.info.entry_point or "."), run_name="__main__")

        self.program = program
        del request.args[:]
        request.args.append(self._engine_address)  # the SDK's server reads it from here
        response = super().Run(request, context)
        # The SDK's server has already logged the error: keep the engine from printing it again.
        return language_pb2.RunResponse(bail=True) if response.error else response

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        """Run a policy pack and stream its output, then its exit code."""
        folder = request.info.program_directory
        analyzer = request.kind == "analyzer"
        arguments = ["-m", "pulumi.policy", *request.args, folder] if analyzer else [folder, *request.args]
        process = subprocess.Popen(
            [sys.executable, "-u", *arguments],
            cwd=folder if analyzer else request.pwd,
            env=os.environ | dict(entry.split("=", 1) for entry in request.env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        context.add_callback(process.terminate)
        self._plugins.add(process)
        yield from _output(process)
        yield language_pb2.RunPluginResponse(exitcode=process.wait())
        self._plugins.discard(process)


def _output(process: subprocess.Popen[bytes]) -> Iterator[Any]:
    """The lines of both output streams, as they arrive."""
    lines: queue.Queue[tuple[str, bytes | None]] = queue.Queue()

    def pump(name: str) -> None:
        for line in getattr(process, name):
            lines.put((name, line))
        lines.put((name, None))

    streams = ("stdout", "stderr")
    for name in streams:
        threading.Thread(target=pump, args=(name,), daemon=True).start()
    ended = 0
    while ended < len(streams):
        name, line = lines.get()
        if line is None:
            ended += 1
        elif name == "stdout":
            yield language_pb2.RunPluginResponse(stdout=line)
        else:
            yield language_pb2.RunPluginResponse(stderr=line)


def main() -> None:
    """Serve until the engine ends the process."""
    limits = [("grpc.max_receive_message_length", MESSAGE_LIMIT), ("grpc.max_send_message_length", MESSAGE_LIMIT)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=limits)
    host = LanguageHost(sys.argv[-1])
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    host.end_with_engine()
    # The engine interrupts its hosts and kills them five seconds later: exit at once.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
