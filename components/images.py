"""Which images run: the one place where that is decided.

Order: an ``image`` of a section in the stack file; ``millrace:images``; the variable ``MILLRACE_IMAGES``, which
set-up writes where only package registries are reachable; else the public images.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from components.errors import SettingsError
from components.image_sets import SETS
from components.settings import Settings

VARIABLE = "MILLRACE_IMAGES"


@dataclass(frozen=True)
class Images:
    """The chosen images.

    Args:
        chosen: ``public`` or ``local``.
        reason: What decided it, for the output.
        zookeeper: Image reference; ``kafka`` and ``redis`` likewise.
    """

    chosen: str
    reason: str
    zookeeper: str
    kafka: str
    redis: str

    def __str__(self) -> str:
        """A line for the output: set, reason and references."""
        references = ", ".join(dict.fromkeys((self.zookeeper, self.kafka, self.redis)))
        return f"{self.chosen} images ({self.reason}): {references}"


def choose_images(settings: Settings, environment: Mapping[str, str]) -> Images:
    """Decide which images run.

    Raises:
        SettingsError: ``MILLRACE_IMAGES`` names no set.
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
    return Images(
        chosen=chosen,
        reason=reason,
        zookeeper=settings.zookeeper.image or references["zookeeper"],
        kafka=settings.kafka.image or references["kafka"],
        redis=settings.redis.image or references["redis"],
    )
