"""Rules on volumes."""

from collections.abc import Iterator

from policies.rules.rule import PRODUCTION, Context, Limit, Rule
from policies.view.kubernetes import Pod
from policies.view.resources import Resource
from policies.view.stack import Stack

_DOCS = "https://kubernetes.io/docs/concepts/"


class Claim:
    """A PersistentVolumeClaim, or a resource that creates claims."""

    def __init__(self, resource: Resource, storage_class: str) -> None:
        self.resource = resource
        self.urn = resource.urn
        self.storage_class = storage_class

    def __str__(self) -> str:
        return str(self.resource)


def _claims(stack: Stack) -> list[Claim]:
    storages = [Claim(item, item.props.text("storageClass")) for item in stack.of("MemberStorage")]
    claims = [
        Claim(item, item.props.object("spec").text("storageClassName")) for item in stack.of("PersistentVolumeClaim")
    ]
    templates = [Claim(pod.resource, name) for pod in stack.pods for name in pod.claim_classes()]
    return storages + claims + templates


def _classes(stack: Stack) -> list[Claim]:
    """One claim per StorageClass."""
    return list({claim.storage_class: claim for claim in reversed(_claims(stack))}.values())


def _policy(claim: Claim, stack: Stack) -> str | None:
    """The reclaim policy of a claim's class, or None if the class is not in the stack."""
    for item in stack.of("StorageClass"):
        annotations = item.props.object("metadata", "annotations")
        default = annotations.text("storageclass.kubernetes.io/is-default-class") == "true"
        if default if not claim.storage_class else item.object_name == claim.storage_class:
            return item.props.text("reclaimPolicy", "Delete")
    return None


def _retained(subject: Claim | Pod, context: Context) -> Iterator[str]:
    if not context.production:
        return
    if isinstance(subject, Claim):
        # Of a class outside the stack, MemberStorage says what its claims have, once they exist.
        if (_policy(subject, context.stack) or subject.resource.props.text("reclaimPolicy")) == "Delete":
            yield f"{subject} uses a StorageClass that deletes the volume with the claim"
        return
    retention = subject.resource.props.object("spec", "persistentVolumeClaimRetentionPolicy")
    for key in ("whenDeleted", "whenScaled"):
        if retention.text(key, "Retain") != "Retain":
            yield f"{subject} deletes its claims ({key})"
    if subject.kinds and not subject.claims():
        yield f"{subject} has no persistent volume"


def _known(claim: Claim, context: Context) -> Iterator[str]:
    if not context.production or claim.storage_class in context.limits["retaining"]:
        return
    props = claim.resource.props
    if props.is_known("reclaimPolicy") and props.text("reclaimPolicy"):
        return
    if _policy(claim, context.stack) is None:
        name = f"StorageClass {claim.storage_class or '(cluster default)'}"
        yield f"{claim} uses the {name}, which this stack does not create: check that it retains volumes"


def _protected(resource: Resource, context: Context) -> Iterator[str]:
    if context.production and not resource.protect:
        yield f"{resource} is not protected: a destroy deletes the data"


def _volumes(stack: Stack) -> list[Resource]:
    return [
        item
        for item in stack.of("Volume", "MemberStorage", "PersistentVolumeClaim")
        if item.own or item.on_docker or item.on_kubernetes
    ]


RULES = (
    Rule(
        name="storage-retained",
        title="In production, data outlives its pods and claims",
        reason="With the default reclaim policy, Delete, removing a claim deletes the data.",
        remedy="Use a StorageClass with reclaimPolicy Retain, and the claim retention policy Retain.",
        source=f"{_DOCS}storage/storage-classes/#reclaim-policy",
        severity="critical",
        subjects=lambda stack: [*_claims(stack), *stack.pods],
        check=_retained,
        limits={"production": PRODUCTION},
    ),
    Rule(
        name="storage-class-known",
        title="In production, the StorageClass is known to retain volumes",
        reason="A class defined elsewhere may delete volumes with their claims.",
        remedy="Check the class (kubectl get storageclass), then name it in the stack and in the rule's list.",
        source=f"{_DOCS}storage/persistent-volumes/#reclaiming",
        severity="medium",
        mandatory=False,
        subjects=_classes,
        check=_known,
        limits={
            "production": PRODUCTION,
            "retaining": Limit(default=(), meaning="StorageClasses outside the stack that are known to retain volumes"),
        },
    ),
    Rule(
        name="volumes-protected",
        title="In production, data volumes are protected",
        reason="Otherwise, a destroy or a rename of the resource deletes all records.",
        remedy="Set the resource option protect; in this project, millrace:protect.",
        source="https://www.pulumi.com/docs/iac/concepts/resources/options/protect/",
        severity="critical",
        subjects=_volumes,
        check=_protected,
        limits={"production": PRODUCTION},
    ),
)
