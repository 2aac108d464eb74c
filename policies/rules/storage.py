"""Volumes."""

from collections.abc import Iterator

from policies.rules.rule import PRODUCTION, Judgement, Limit, Rule
from policies.view.kubernetes import Pod
from policies.view.resources import Resource
from policies.view.stack import Stack

_DOCS = "https://kubernetes.io/docs/concepts/"


class Claim:
    """A claim of storage, or what makes claims."""

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
    """One claim of each StorageClass."""
    return list({claim.storage_class: claim for claim in reversed(_claims(stack))}.values())


def _policy(claim: Claim, stack: Stack) -> str | None:
    """The reclaim policy of a claim's class, or None where the class is not in the stack."""
    for item in stack.of("StorageClass"):
        if item.object_name == claim.storage_class and claim.storage_class:
            return item.props.text("reclaimPolicy", "Delete")
    return None


def _retained(subject: Claim | Pod, judgement: Judgement) -> Iterator[str]:
    if not judgement.production:
        return
    if isinstance(subject, Claim):
        if _policy(subject, judgement.stack) == "Delete":
            yield f"{subject} has a StorageClass that deletes the data with the claim"
        return
    retention = subject.resource.props.object("spec", "persistentVolumeClaimRetentionPolicy")
    for key in ("whenDeleted", "whenScaled"):
        if retention.text(key, "Retain") != "Retain":
            yield f"{subject} deletes its claims ({key})"
    if subject.kinds and not subject.claims():
        yield f"{subject} keeps its data in no volume that outlives a pod"


def _title(claim: Claim) -> str:
    return f"the StorageClass {claim.storage_class or '(the default of the cluster)'}"


def _known(claim: Claim, judgement: Judgement) -> Iterator[str]:
    if not judgement.production or claim.storage_class in judgement.limits["retaining"]:
        return
    if _policy(claim, judgement.stack) is None:
        yield f"{claim} takes {_title(claim)}, which this stack does not make: see that it retains volumes"


def _protected(resource: Resource, judgement: Judgement) -> Iterator[str]:
    if judgement.production and not resource.protect:
        yield f"{resource} is not protected: a destroy takes the data along"


def _volumes(stack: Stack) -> list[Resource]:
    return [
        item
        for item in stack.of("Volume", "MemberStorage", "PersistentVolumeClaim")
        if item.own or item.on_docker or item.on_kubernetes
    ]


RULES = (
    Rule(
        name="storage-retained",
        title="In production data outlives pods, claims and their removal",
        reason="With the usual reclaim policy, Delete, a removed claim takes the records along.",
        remedy="Use a StorageClass with reclaimPolicy Retain, and claims with a retention policy of Retain.",
        source=f"{_DOCS}storage/storage-classes/#reclaim-policy",
        severity="critical",
        subjects=lambda stack: [*_claims(stack), *stack.pods],
        check=_retained,
        limits={"production": PRODUCTION},
    ),
    Rule(
        name="storage-class-known",
        title="In production the StorageClass is known to retain",
        reason="A class that others made may delete volumes with their claims.",
        remedy="Look at the class (kubectl get storageclass), name it in the stack and in the rule's list.",
        source=f"{_DOCS}storage/persistent-volumes/#reclaiming",
        severity="medium",
        mandatory=False,
        subjects=_classes,
        check=_known,
        limits={
            "production": PRODUCTION,
            "retaining": Limit(default=(), meaning="StorageClasses outside the stack that are known to retain"),
        },
    ),
    Rule(
        name="volumes-protected",
        title="In production volumes with data are protected",
        reason="Else a destroy, or a rename that reads like one, removes all records.",
        remedy="Set the resource option protect; in this project millrace:protect.",
        source="https://www.pulumi.com/docs/iac/concepts/resources/options/protect/",
        severity="critical",
        subjects=_volumes,
        check=_protected,
        limits={"production": PRODUCTION},
    ),
)
