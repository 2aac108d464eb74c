"""Which images run: the one place where that is decided.

Order: an ``image`` of a section in the stack file; ``millrace:images``; the variable ``MILLRACE_IMAGES``, which
set-up writes where only package registries are reachable; else the public images.
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
        reason: What decided it, for the output.
        zookeeper: Image reference; ``kafka`` and ``redis`` likewise.
        exporter: Image reference of a monitoring server, empty where it does not run; the next two likewise.
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
        """A line for the output: set, reason and references."""
        all_ = (self.zookeeper, self.kafka, self.redis, self.exporter, self.prometheus, self.grafana)
        references = ", ".join(dict.fromkeys(reference for reference in all_ if reference))
        return f"{self.chosen} images ({self.reason}): {references}"


def choose_images(settings: Settings, environment: Mapping[str, str]) -> Images:
    """Decide which images run.

    Raises:
        SettingsError: ``MILLRACE_IMAGES`` names no set, or the set lacks an image that is asked for.
    """
    if settings.images != "auto":
        chosen, reason = settings.images, "millrace:images"
    elif environment.get(VARIABLE):
        chosen, reason = environment[VARIABLE], VARIABLE
    else:
        chosen, reason = "public", "the default"
    if chosen not in SETS:
        raise SettingsError(f'{VARIABLE} is "{chosen}"', [f"allowed are {' and '.join(sorted(SETS))}"])
    references = SETS[chosen]
    if problems := _missing(settings, chosen):
        raise SettingsError(f"{chosen} images run ({reason}), which are not enough; nothing was changed", problems)
    monitor = settings.monitor
    return Images(
        chosen=chosen,
        reason=reason,
        zookeeper=settings.zookeeper.image or references["zookeeper"],
        kafka=settings.kafka.image or references["kafka"],
        redis=settings.redis.image or references["redis"],
        exporter=_asked(monitor.enabled, monitor.image or references.get("exporter")),
        prometheus=_asked(monitor.prometheus.enabled, monitor.prometheus.image or references.get("prometheus")),
        grafana=_asked(monitor.grafana.enabled, monitor.grafana.image or references.get("grafana")),
    )


def _asked(enabled: bool, reference: str | None) -> str:
    return reference or "" if enabled else ""


def _missing(settings: Settings, chosen: str) -> list[str]:
    """What the stack file asks for and the chosen set has no image of, with the cure."""
    monitor, references = settings.monitor, SETS[chosen]
    problems: list[str] = []
    if monitor.enabled and not monitor.image and "exporter" not in references:
        problems.append(
            "monitor.image must be set: nobody publishes the exporter. Build images/exporter, push it to a registry of "
            "yours and name it there; on this machine, `make images` builds " + SETS["local"]["exporter"]
        )
    if monitor.grafana.enabled and not monitor.grafana.image and "grafana" not in references:
        problems.append(
            "monitor.grafana.image must be set: no package registry has Grafana, so none is built here. Name an image "
            "that the engine has or can pull, or import what `python -m ops dashboard` prints into a Grafana of yours"
        )
    if monitor.jmx and chosen == "public" and not settings.kafka.image:
        problems.append(
            f"monitor.jmx is true, but the public Kafka image has no agent. Set kafka.image to one with {JMX_AGENT} "
            "(see images/kafka/Dockerfile), or set monitor.jmx to false"
        )
    return problems
