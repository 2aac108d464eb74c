"""Checks of the stack: its file, its passphrase, and whether its state is what really runs."""

import json
from collections.abc import Mapping
from typing import Any

import psutil

from components.errors import SettingsError, count
from components.naming import PLATFORM_LABEL
from ops.doctor.case import Case
from ops.doctor.report import Outcome, skipped, well, wrong
from ops.errors import UnreachableError

_CONTAINER = "docker:index/container:Container"


def stack_file(case: Case) -> Outcome:
    """The stack file has no mistakes."""
    if not case.stack_file.exists():
        return wrong(f"there is no {case.stack_file.name}", f"pulumi stack init {case.name}")
    try:
        settings = case.settings
    except SettingsError as error:
        return wrong("; ".join(error.problems), f"edit {case.stack_file.name}")
    return well(f"{case.stack_file.name}: {settings.profile}, {count(len(settings.topics), 'topic')}")


def passphrase(case: Case) -> Outcome:
    """The passphrase opens the stack's secrets."""
    try:
        opened = case.outputs
    except UnreachableError as error:
        said = "; ".join(error.problems) or error.headline
        if "no stack named" in said:
            return wrong(said, f"pulumi stack init {case.name}")
        if "passphrase" in said:
            return wrong(said, ". ./activate (sets the empty one), or export the PULUMI_CONFIG_PASSPHRASE you chose")
        raise
    return well("opens the stack's secrets") if opened else skipped("the stack has no secrets yet")


def lock(case: Case) -> Outcome:
    """No update was left behind half-way, with its lock or its operations."""
    pending = case.deployment.get("pending_operations") or []
    if pending:
        names = ", ".join(operation["resource"]["urn"].rpartition("::")[2] for operation in pending)
        return wrong(f"an update ended in the middle of: {names}", f"pulumi refresh -s {case.name}")
    if case.backend is None:
        return skipped("the state is not kept in files")
    folder = case.backend / "locks" / "organization" / case.project["name"] / case.name
    for file in sorted(folder.glob("*.json")):
        holder: Mapping[str, Any] = json.loads(file.read_text())
        who = f"{holder.get('username')}@{holder.get('hostname')}, pid {holder.get('pid')}, {holder.get('timestamp')}"
        if psutil.pid_exists(int(holder.get("pid", -1))):
            return well(f"an update is running ({who})")
        return wrong(f"an update that is gone holds the lock ({who})", f"pulumi cancel -s {case.name} --yes")
    return well("no update is under way")


def containers(case: Case) -> Outcome:
    """The containers in the state run, and no others of this platform."""
    if case.settings.on_kubernetes:
        return skipped("the stack runs on Kubernetes")
    known = {
        resource["id"]: str((resource.get("outputs") or {}).get("name") or resource["id"][:12])
        for resource in case.deployment.get("resources") or ()
        if resource["type"] == _CONTAINER and resource.get("id")
    }
    return judge_containers(known, _on_engine(case), case.name)


def _on_engine(case: Case) -> dict[str, tuple[str, bool]]:
    """Name and whether it runs, of each container with the platform's label, by id."""
    labels = {"label": f"{PLATFORM_LABEL}={case.platform_name}"}
    found = case.docker.api.containers(all=True, filters=labels)
    return {item["Id"]: (item["Names"][0].lstrip("/"), item["State"] == "running") for item in found}


def judge_containers(known: Mapping[str, str], there: Mapping[str, tuple[str, bool]], stack: str) -> Outcome:
    """Compare the state with the engine.

    Args:
        known: Names of the containers in the state, by id.
        there: Name and whether it runs, of the platform's containers on the engine, by id.
        stack: The stack's name.
    """
    gone = sorted(name for identity, name in known.items() if identity not in there)
    stopped = sorted(name for identity, (name, runs) in there.items() if identity in known and not runs)
    foreign = sorted(name for identity, (name, _) in there.items() if identity not in known)
    parts = {"in the state but gone": gone, "stopped": stopped, "not in the state": foreign}
    seen = "; ".join(f"{what}: {', '.join(names)}" for what, names in parts.items() if names)
    if not seen:
        return well(f"{count(len(known), 'container')} of the state run" if known else "none, as the state says")
    mends = [f"docker rm -f {' '.join(foreign)}"] if foreign else []
    mends += [f"pulumi up -s {stack} --refresh"] if gone or stopped else []
    return wrong(seen, ", then ".join(mends))
