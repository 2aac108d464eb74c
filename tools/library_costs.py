"""`python -m tools.library_costs` measures libraries beside our own code: docs/LIBRARIES.md has the figures.

Each program runs in fresh processes, on Linux.
"""

import json
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

RUNS = 9

IMPORTS = (
    "kubernetes.utils",
    "components.properties",
    "javaproperties",
    "components.waiting",
    "tenacity",
    "stamina",
)
"""Modules that are only imported."""

CLIENTS = {
    "components.targets.kubernetes.client": """
from components.targets.kubernetes.client import connect
connect(CONFIG, "here").pods("default", {})""",
    "kubernetes.client.CoreV1Api": """
from kubernetes.client import CoreV1Api
from kubernetes.config import load_kube_config
load_kube_config(CONFIG)
CoreV1Api().list_namespaced_pod("default").items""",
    "lightkube": """
from lightkube import Client, KubeConfig
from lightkube.resources.core_v1 import Pod
list(Client(KubeConfig.from_file(CONFIG).get()).list(Pod, namespace="default"))""",
    "kr8s": """
import kr8s
list(kr8s.api(kubeconfig=CONFIG).get("pods", namespace="default"))""",
}
"""Programs that list pods; CONFIG is the path of a kubeconfig."""

_MEASURED = """
import sys, time
CONFIG, start = sys.argv[1], time.process_time()
{program}
spent = time.process_time() - start
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(spent * 1000, int(peak.split()[1]) / 1024)
"""


def measure(program: str, config: str = "") -> tuple[float, float] | None:
    """A program's median CPU milliseconds, without the start of Python, and peak MiB; None if it is not installed."""
    runs: list[list[float]] = []
    for _ in range(RUNS + 1):  # the first run compiles and reads from disk
        command = [sys.executable, "-c", _MEASURED.format(program=program), config]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode and "ModuleNotFoundError" in done.stderr:
            return None
        done.check_returncode()
        runs.append([float(figure) for figure in done.stdout.split()])
    milliseconds, mebibytes = (statistics.median(figures) for figures in zip(*runs[1:], strict=True))
    return milliseconds, mebibytes


class _Pods(BaseHTTPRequestHandler):
    """Answers like an API server with one pod that is ready."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        metadata = {"name": "kafka-0", "namespace": "default", "uid": "u"}
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        containers = [{"name": "kafka", "image": "kafka"}]
        pod = {"metadata": metadata, "spec": {"containers": containers}, "status": ready}
        pods = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod]}
        known = {"kind": "APIResourceList", "groupVersion": "v1", "resources": [_RESOURCE]}
        version = {"gitVersion": "v1.33.0", "major": "1", "minor": "33"}
        answers = {"/version": version, "/api/v1": known, "/api": {"versions": ["v1"]}, "/apis": {"groups": []}}
        body = json.dumps(answers.get("/" + self.path.partition("?")[0].strip("/"), pods)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


_RESOURCE = {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["get", "list"]}


@contextmanager
def _api_server() -> Iterator[str]:
    """The path of a kubeconfig for an API server that runs meanwhile."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pods)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    content = {
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "me", "user": {"token": "t"}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me", "namespace": "default"}}],
    }
    with TemporaryDirectory() as folder:
        path = Path(folder, "kubeconfig")
        path.write_text(json.dumps(content))
        yield str(path)
    server.shutdown()


def main() -> None:
    """Print milliseconds and peak memory of each program."""
    print(f"{'program':48}{'ms':>8}{'MiB':>8}")
    with _api_server() as config:
        programs = {"(Python alone)": "pass"}
        programs |= {f"import {module}": f"import {module}" for module in IMPORTS}
        programs |= {f"{client}: list pods": program for client, program in CLIENTS.items()}
        for name, program in programs.items():
            figures = measure(program, config)
            shown = "   not installed" if figures is None else "{:8.0f}{:8.1f}".format(*figures)
            print(f"{name:48}{shown}", flush=True)


if __name__ == "__main__":
    main()
