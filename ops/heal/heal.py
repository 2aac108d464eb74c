"""Plans how a stack is healed after an update was killed, and does it."""

from collections.abc import Callable, Generator
from contextlib import closing, contextmanager

from components.stack_file.interrupted import unfinished
from ops.doctor.local_stack import LocalStack
from ops.errors import RefusedError
from ops.heal import containers, objects
from ops.heal.locks import Lock, locked
from ops.heal.plan import Plan, Resources, Step
from ops.heal.torn import torn
from ops.pulumi_cli import pulumi_cli

Confirm = Callable[[Plan], bool]
"""Shows a plan and says whether to go on."""


def was_killed(local: LocalStack) -> bool:
    """Whether the state shows an update that was killed. Reads only files where it can, in a few milliseconds."""
    files = local.state_files
    if files is None:
        return bool(unfinished(local.deployment))
    return files.is_locked() or files.is_torn() or bool(files.unfinished())


def heal(local: LocalStack, confirm: Confirm, *, everything: bool = False) -> bool:
    """Release locks of killed updates, and remove what they left outside the state. Volumes and claims always stay.

    Args:
        local: The stack.
        confirm: Called with the plan if there is anything to do.
        everything: Whether to remove, too, what the next ``up`` would take over: for a ``destroy``.

    Returns:
        Whether it went on; False if ``confirm`` refused.

    Raises:
        RefusedError: An update runs; or what would be in the way of the next one may be another checkout's.
        UnhealthyError: A member could not be stopped safely; it still runs, and a later call goes on.
    """
    with _locked(local) as stale, _plan(local, stale, everything) as plan:
        pending = bool(unfinished(local.deployment))
        if plan.kept and pending:
            raise RefusedError(
                "objects with this stack's names may belong to another checkout of it; nothing was changed",
                [
                    *plan.kept,
                    f"run `make down` there. If there is no other, remove them yourself: docker rm -f and "
                    f"docker network rm, for all with the label millrace.platform={local.platform_name}",
                ],
            )
        if (plan.steps or plan.kept or pending) and not confirm(plan):
            return False
        for step in plan.steps:
            step.run()
    if pending:
        _forget(local)
    return True


@contextmanager
def _locked(local: LocalStack) -> Generator[list[Lock]]:
    """Hold the lock where the state is a folder; another backend has locks of its own."""
    files = local.state_files
    if files is None:
        yield []
        return
    with locked(files, local.name) as stale:
        yield stale


@contextmanager
def _plan(local: LocalStack, stale: list[Lock], everything: bool) -> Generator[Plan]:
    """The plan, with what its steps need."""
    deployment = local.deployment
    resources = Resources(deployment.get("resources") or (), unfinished(deployment))
    files = [] if local.state_files is None else torn(local.state_files)
    release = [Step(f"remove {file.name}, half-written", file.unlink) for file in files]
    release += [
        Step(f"release the lock of an update that no longer runs ({lock.holder})", lock.release) for lock in stale
    ]
    if resources.uses("kubernetes"):
        yield Plan([*objects.steps(resources, local.platform_name, everything=everything), *release], [])
        return
    with closing(local.docker) as engine:
        found, kept = containers.steps(engine.api, local.platform_name, resources)
        yield Plan([*found, *release], kept)


def _forget(local: LocalStack) -> None:
    """Remove the unfinished creations from the state; nothing is left of them that would be in the way."""
    flags = ("--stack", local.name, "--yes", "--skip-preview", "--clear-pending-creates")
    pulumi_cli(local.folder, "refresh", *flags, "--target", _stack_urn(local))  # nothing else needs to be read


def _stack_urn(local: LocalStack) -> str:
    everything = (*local.resources, *unfinished(local.deployment))
    return next(str(item["urn"]) for item in everything if item["type"] == "pulumi:pulumi:Stack")
