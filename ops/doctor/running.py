"""Checks of what runs: the cluster that a stack names, and the platform's members."""

from components.errors import ClusterError
from components.targets.kubernetes.client import connect, contexts
from ops.doctor.case import Case
from ops.doctor.report import Outcome, skipped, well, wrong


def kubernetes(case: Case) -> Outcome:
    """The kubeconfig has the context that the stack file names, and the cluster answers."""
    settings = case.settings.kubernetes
    if not case.settings.on_kubernetes or settings.context is None:
        return skipped("the stack runs on Docker")
    mend = f"kubectl config get-contexts, then pulumi config set -s {case.name} --path millrace:kubernetes.context NAME"
    try:
        known = contexts(settings.kubeconfig)
        if settings.context not in known:
            listed = ", ".join(known) or "none"
            return wrong(f'the kubeconfig has no context "{settings.context}"; it has {listed}', mend)
        cluster = connect(settings.kubeconfig, settings.context)
        return well(f"{settings.context} runs Kubernetes {cluster.server_version()}")
    except ClusterError as error:
        return wrong("; ".join([error.headline, *error.problems]), mend)


def members(case: Case) -> Outcome:
    """Every member answers, and no partition is offline or under-replicated."""
    from ops.status import read_status

    if not case.is_up:
        return skipped(f"nothing is up; pulumi up -s {case.name}")
    found = read_status(case.platform)
    if found.problems:
        seen = "; ".join(problem.partition("\n")[0] for problem in found.problems)
        return wrong(seen, f"python -m ops -s {case.name} logs MEMBER, then pulumi up -s {case.name} --refresh")
    return well(found.headline)
