"""Rules on images."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from policies.rules.rule import Context, Limit, Rule
from policies.view.servers import Server
from policies.view.stack import Stack

_MOVING = {"latest", "main", "master", "edge", "nightly", "dev", "stable", "snapshot", "rolling"}
_HUB = ("docker.io", "index.docker.io")
"""Names of Docker Hub, the registry of references that name none."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The parts of an image reference; the registry is empty for Docker Hub."""

    registry: str
    repository: str
    tag: str
    digest: str


def parse(text: str) -> Reference:
    """Split an image reference."""
    name, _, digest = text.partition("@")
    first, slash, rest = name.partition("/")
    host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, path = (first, rest) if host else ("", name)
    repository, _, tag = path.partition(":")
    return Reference(
        registry="" if registry in _HUB else registry,
        repository=repository.removeprefix("library/"),
        tag=tag,
        digest=digest,
    )


def _pinned(server: Server, context: Context) -> Iterator[str]:
    image = parse(server.image)
    if image.digest or server.image.startswith("sha256:"):
        return
    if context.limits["digest"]:
        yield f"{server} runs {image.repository} without a digest"
    elif not image.tag or set(re.split(r"[-.]", image.tag)) & _MOVING:
        yield f"{server} runs {image.repository}:{image.tag or 'latest'}, a tag that moves"
    elif len(re.findall(r"\d+", image.tag.partition("-")[0])) < int(context.limits["numbers"]):
        yield f"{server} runs {image.repository}:{image.tag}, a tag that names no release"


def _banned(server: Server, context: Context) -> Iterator[str]:
    image = parse(server.image)
    owner = image.repository.partition("/")[0]
    if {owner, image.repository} & set(context.limits["banned"]):
        yield f"{server} runs {image.repository}, which is withdrawn or no longer maintained"


def _registry(server: Server, context: Context) -> Iterator[str]:
    image = parse(server.image)
    if image.registry and image.registry not in context.limits["registries"]:
        yield f"{server} runs an image from a registry that is not allowed"


def _containers(stack: Stack) -> list[Server]:
    return stack.all_containers


RULES = (
    Rule(
        name="image-pinned",
        title="Every image names a release",
        reason="A moving tag brings a different version when a member restarts.",
        remedy="Name a release (3.9.2, not 3 or latest) or a digest.",
        source="https://kubernetes.io/docs/concepts/containers/images/#image-names",
        severity="high",
        subjects=_containers,
        check=_pinned,
        limits={
            "digest": Limit(default=False, meaning="Whether only digests are accepted"),
            "numbers": Limit(default=2, meaning="How many numbers a tag needs: 2 accepts 7.2, 3 accepts 7.2.16"),
        },
    ),
    Rule(
        name="image-not-banned",
        title="No image is withdrawn or unmaintained",
        reason="Bitnami's versioned images left the public hub in August 2025; the frozen copies get no fixes.",
        remedy="Use the projects' own images: apache/kafka, zookeeper, redis or valkey.",
        source="https://github.com/bitnami/containers/issues/83267",
        severity="critical",
        subjects=_containers,
        check=_banned,
        limits={
            "banned": Limit(
                default=("bitnami", "bitnamilegacy", "wurstmeister", "spotify"), meaning="Banned owners or repositories"
            )
        },
    ),
    Rule(
        name="image-registry",
        title="Every image comes from an allowed registry",
        reason="Nobody has reviewed what an unknown registry serves.",
        remedy="Mirror the image, or add the registry's host to the rule's list.",
        source="https://kubernetes.io/docs/concepts/security/security-checklist/#images",
        severity="medium",
        subjects=_containers,
        check=_registry,
        limits={"registries": Limit(default=(), meaning="Allowed registry hosts, besides Docker Hub")},
    ),
)
