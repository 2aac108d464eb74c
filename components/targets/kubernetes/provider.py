"""Dynamic providers of rolls and volume claims; the work is done in ``roll.py`` and ``claims.py``."""

from pulumi.dynamic import CheckResult, CreateResult, ReadResult, ResourceProvider, UpdateResult

from components.changes import changes
from components.dynamic import Props, failures, in_order, is_known, plain_errors, progress
from components.quantities import format_size
from components.targets.kubernetes.claims import Claims, claim_names, release_members
from components.targets.kubernetes.client import connect
from components.targets.kubernetes.roll import Pods, Roll
from components.waiting import wait_until

_REMOVAL = 600.0
"""Seconds for a namespace to go, as the official provider waits."""


class GatedRollProvider(ResourceProvider):
    """Replaces pods that are out of date."""

    @plain_errors
    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Report, in preview too, which members a change restarts and why."""
        for line in _change_lines(_olds, news):
            progress(line)
        return CheckResult(news, [])

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Wait until all pods serve; the next ``up`` tries a failed create again."""
        return CreateResult(f"{props['route']['namespace']}/{props['workload']}", _rolled(props))

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Replace the pods that are out of date."""
        return UpdateResult(_rolled(_news))

    @plain_errors
    def read(self, id_: str, props: Props) -> ReadResult:
        """Check once. If a pod is out of date or does not serve, the roll leaves the state: the next ``up`` rolls."""
        pods = Pods(props)
        inputs = {key: value for key, value in props.items() if key not in ("identities", "__provider")}
        problems = [*(f"{name} is out of date" for name in pods.outdated()), *pods.findings()]
        problems += [f"{name} is not part of its group" for name in Roll(props).outsiders()]
        if problems:
            progress(f"{props['workload']}: {problems[0]}")
            return ReadResult(None, {})
        return ReadResult(id_, {**inputs, "identities": pods.identities()}, inputs)

    @plain_errors
    def delete(self, _id: str, _props: Props) -> None:
        """Stop the members cleanly while what they depend on still runs, and wait until they are gone."""
        Roll(_props).stop()


def _change_lines(old: Props, new: Props) -> list[str]:
    """What a change of inputs means for the members, one line each."""
    if not old or not is_known(new.get("members")):
        return []
    name, before, after = new["workload"], in_order(old["members"]), in_order(new["members"])
    lines: list[str] = []
    reasons = changes(old.get("template"), new.get("template"))
    stay = [member for member in before if member in after]
    if reasons:
        lines.append(f"{name}: restarts {', '.join(stay)}, one at a time, because of")
        lines += [f"  {reason}" for reason in reasons]
    added, removed = [item for item in after if item not in before], [item for item in before if item not in after]
    kept = "" if reasons else "; the others are not restarted"
    lines += [f"{name}: adds {', '.join(added)}{kept}"] if added else []
    lines += [f"{name}: removes {', '.join(removed)}{kept}"] if removed else []
    return lines


def _rolled(props: Props) -> Props:
    roll = Roll(props)
    roll.run()
    return {**props, "identities": roll.identities()}


def _stored(props: Props, claims: Claims) -> Props:
    claims.ensure()
    return {**props, "reclaimPolicy": claims.reclaim_policy()}


class MemberStorageProvider(ResourceProvider):
    """Manages the claims of one workload's members."""

    @plain_errors
    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Reject a smaller volume, in preview too; report that a larger one restarts nothing."""
        if not (_olds and is_known(news.get("size")) and is_known(_olds.get("size"))):
            return CheckResult(news, [])
        old, new, name = int(_olds["size"]), int(news["size"]), news["workload"]
        if new < old:
            smaller = (
                f"the volumes of {name} have {format_size(old)} and cannot become {format_size(new)}: Kubernetes "
                f"cannot shrink volumes. Keep {name}.storage, or move to a new platform with smaller ones"
            )
            return CheckResult(news, failures([smaller]))
        if new > old:
            progress(f"{name}: volumes grow from {format_size(old)} to {format_size(new)} in place; nothing restarts")
        if _olds.get("storageClass") != news.get("storageClass"):
            moved = f"the StorageClass of {name} cannot change: its volumes exist already"
            return CheckResult(news, failures([moved]))
        return CheckResult(news, [])

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Create missing claims; those of an earlier platform of this name are reused."""
        claims = Claims(props)
        claims.allow_founding()
        return CreateResult(f"{props['route']['namespace']}/{props['workload']}", _stored(props, claims))

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Release members that leave, or refuse it; then create or expand claims."""
        gone = sorted(set(_olds["members"]) - set(_news["members"]))
        if gone:
            release_members(gone, _olds, _news)
        return UpdateResult(_stored(_news, Claims(_news)))

    @plain_errors
    def read(self, id_: str, props: Props) -> ReadResult:
        """Check once. If a claim is gone, the claims leave the state: the next ``up`` creates it again."""
        claims = Claims(props)
        found = claims.found()
        inputs = {key: value for key, value in props.items() if key not in ("reclaimPolicy", "__provider")}
        missing = [name for name in claim_names(props) if name not in found]
        if missing:
            progress(f"{props['workload']}: there is no claim {', '.join(missing)}")
            return ReadResult(None, {})
        # A claim may have been expanded by hand, and cannot have shrunk.
        return ReadResult(id_, {**inputs, "reclaimPolicy": claims.reclaim_policy()}, inputs)

    @plain_errors
    def delete(self, _id: str, _props: Props) -> None:
        """Delete all claims of the workload, including those of removed members, and wait until they are gone."""
        Claims(_props).remove()


class NamespaceRemovalProvider(ResourceProvider):
    """Deletes a platform's namespace when nothing is left in it that holds data."""

    def create(self, props: Props) -> CreateResult:
        """Nothing: a different resource creates the namespace."""
        return CreateResult(props["route"]["namespace"], props)

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Keep the new kubeconfig."""
        return UpdateResult(_news)

    @plain_errors
    def delete(self, _id: str, _props: Props) -> None:
        """Delete the namespace and wait until it is gone; one with volume claims stays, and that is said."""
        route = _props["route"]
        cluster, namespace = connect(route.get("kubeconfig"), route["context"]), route["namespace"]
        if claims := sorted(cluster.claims(namespace, {})):
            progress(
                f"namespace {namespace} stays: it has the volume claims {', '.join(claims)}. To delete it with their "
                f"data: kubectl --context {route['context']} delete namespace {namespace}"
            )
            return
        cluster.delete_namespace(namespace)

        def left() -> list[str]:
            return [f"namespace {namespace} is still there"] if cluster.has_namespace(namespace) else []

        wait_until(left, what=f"namespace {namespace}", deadline=_REMOVAL, report=progress, state="gone")
