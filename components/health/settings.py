"""What a stack file may say about the health gate."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field

from components.sections import Section, Wait

PROFILES: Mapping[str, Mapping[str, Any]] = {
    "production": {"deadline": "10m"},
}
"""Defaults by profile, with the keys of the stack file."""


class HealthSettings(Section):
    """The health gate."""

    profile_defaults = PROFILES

    deadline: Wait = Field(default=timedelta(minutes=3), description="Time to become healthy before `up` fails")
