"""The rendered files of the project's stacks, which the golden tests compare; this module rewrites them.

Usage: python -m tests.unit.regenerate_golden
Review ``git diff tests/golden`` afterwards: somebody must have read a golden file and found it right.
"""

import sys

from components import platform
from components.monitoring.alerts import render_alerts
from components.monitoring.dashboard import dashboard_json
from components.stack_file.images import Images
from components.stack_file.settings import Settings
from components.stack_file.stack import target_for
from components.workload import Workload
from tests import manifests
from tests.unit.mocks import ROOT, run_on_cluster, settings_of

GOLDEN = ROOT / "tests" / "golden"
STACKS = ("dev", "staging", "prod")
MONITORED = ("staging", "prod")
"""Stacks with golden alert rules and dashboards."""

MANIFESTS = "manifests.yaml"
"""All objects of a stack that runs on Kubernetes."""

PLATFORM = "millrace-test"


def workloads_of(settings: Settings) -> dict[str, Workload]:
    """The servers of a platform by name, with the member names that its target uses."""
    images = Images("test", "a test", zookeeper="zookeeper:test", kafka="kafka:test", redis="redis:test")
    target = target_for(settings, PLATFORM)
    return {workload.name: workload for workload in platform.workloads_of(settings, images, target, PLATFORM)}


def rendered(stack: str) -> dict[str, str]:
    """A stack's configuration files: text by file name, as the servers receive them."""
    names = {"zookeeper": "zoo.cfg", "kafka": "server.properties", "redis": "redis.conf"}
    workloads = workloads_of(settings_of(stack))
    return {
        name: str(file.content)
        for workload, name in names.items()
        for file in workloads[workload].files
        if file.path.endswith(f"/{name}")
    }


def monitored(stack: str) -> dict[str, str]:
    """A stack's monitoring files: text by file name, whether or not its stack file enables monitoring."""
    topology = settings_of(stack).topology(f"millrace-{stack}")
    return {"alerts.yml": render_alerts(topology), "dashboard.json": dashboard_json(topology)}


def main() -> None:
    """Write all golden files."""
    for stack in STACKS:
        folder = GOLDEN / stack
        folder.mkdir(parents=True, exist_ok=True)
        files = rendered(stack)
        if settings_of(stack).on_kubernetes:
            run = run_on_cluster(settings_of(stack), f"millrace-{stack}")
            files[MANIFESTS] = manifests.as_yaml(manifests.manifests(run))
        if stack in MONITORED:
            files |= monitored(stack)
        for name, text in files.items():
            (folder / name).write_text(text)
            sys.stdout.write(f"wrote {(folder / name).relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
