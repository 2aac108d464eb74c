"""Decides which images run.

The first of these wins: a section's ``image`` in the stack file; ``millrace:images``; the variable
``MILLRACE_IMAGES`` on Docker, which setup writes where only package registries are reachable; the public images. On
Kubernetes the shell of whoever runs ``up`` decides nothing: images with local names exist on no node.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from components.errors import SettingsError
from components.images import JMX_AGENT, SETS, VARIABLE
from components.stack_file.settings import Settings


@dataclass(frozen=True)
class Images:
    """The chosen images.

    Args:
        chosen: ``public`` or ``local``.
        reason: What chose the set, for the output.
        zookeeper: Image reference; ``kafka`` and ``redis`` likewise.
        exporter: Image reference of a monitoring server, empty if it does not run; the next two likewise.
    """

    chosen: str
    reason: str
    zookeeper: str
    kafka: str
    redis: str
    exporter: str = ""
    prometheus: str = ""
    grafana: str = ""

    def __str__(self) -> str:
        """One line for the output: set, reason and references."""
        all_ = (self.zookeeper, self.kafka, self.redis, self.exporter, self.prometheus, self.grafana)
        references = ", ".join(dict.fromkeys(reference for reference in all_ if reference))
        return f"{self.chosen} images ({self.reason}): {references}"


def choose_images(settings: Settings, environment: Mapping[str, str]) -> Images:
    """Decide which images run.

    Raises:
        SettingsError: ``MILLRACE_IMAGES`` names no set, or the set lacks an image that the stack file needs.
    """
    if settings.images != "auto":
        chosen, reason = settings.images, "millrace:images"
    elif environment.get(VARIABLE) and not settings.on_kubernetes:
        chosen, reason = environment[VARIABLE], VARIABLE
    else:
        chosen, reason = "public", "the default"
    if chosen not in SETS:
        raise SettingsError(f'{VARIABLE} is "{chosen}"', [f"allowed are {' and '.join(sorted(SETS))}"])
    references = SETS[chosen]
    if problems := _missing(settings, chosen):
        raise SettingsError(
            f"the {chosen} images ({reason}) lack what the stack file needs; nothing was changed", problems
        )
    monitor = settings.monitor
    return Images(
        chosen=chosen,
        reason=reason,
        zookeeper=settings.zookeeper.image or references["zookeeper"],
        kafka=settings.kafka.image or references["kafka"],
        redis=settings.redis.image or references["redis"],
        exporter=_if_enabled(monitor.enabled, monitor.image or references.get("exporter")),
        prometheus=_if_enabled(monitor.prometheus.enabled, monitor.prometheus.image or references.get("prometheus")),
        grafana=_if_enabled(monitor.grafana.enabled, monitor.grafana.image or references.get("grafana")),
    )


def _if_enabled(enabled: bool, reference: str | None) -> str:
    return reference or "" if enabled else ""


def _missing(settings: Settings, chosen: str) -> list[str]:
    """Images that the stack file needs and the chosen set lacks, each with its fix."""
    monitor, references = settings.monitor, SETS[chosen]
    problems: list[str] = []
    if monitor.enabled and not monitor.image and "exporter" not in references:
        problems.append(
            "monitor.image must be set: the exporter is not published. Build images/exporter, push it to your registry "
            "and name it here; on this machine, `make images` builds " + SETS["local"]["exporter"]
        )
    if monitor.grafana.enabled and not monitor.grafana.image and "grafana" not in references:
        problems.append(
            "monitor.grafana.image must be set: no package registry has Grafana, so none is built here. Name an image "
            "that the engine has or can pull, or import the output of `python -m ops dashboard` into your own Grafana"
        )
    if monitor.jmx and chosen == "public" and not settings.kafka.image:
        problems.append(
            f"monitor.jmx is true, but the public Kafka image has no agent. Set kafka.image to one with {JMX_AGENT} "
            "(see images/kafka/Dockerfile), or set monitor.jmx to false"
        )
    return problems
