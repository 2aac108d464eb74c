"""What the stack's state holds of the last update: the stack file that it declared, and the stack's id.

Pulumi's own :class:`pulumi.Stash` keeps it. It is the first resource of every update, so after a killed update the
state already has what that update asked for.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import pulumi
from pulumi.runtime.invoke import invoke
from pydantic import ValidationError

from components.errors import ChangeError
from components.stack_file.settings import Settings
from components.stack_file.stack import secret_keys
from components.stack_file.transitions import verdict

_NAME = "declared"
_TYPE = "pulumi:index:Stash"


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one update declared.

    Args:
        stack_id: A random text that stays the same for the life of the stack.
        platform: The platform's name.
        settings: The stack file, without secrets; None if this version cannot read it.
    """

    stack_id: str
    platform: str
    settings: Settings | None


def last_record() -> Record | None:
    """The record of the last update, or None if there was none."""
    name = "/".join((pulumi.get_organization(), pulumi.get_project(), pulumi.get_stack()))
    answer = cast("Mapping[str, Any]", invoke("pulumi:pulumi:readStackResourceOutputs", {"stackName": name}).value)
    resources: Mapping[str, Mapping[str, Any]] = answer["outputs"]
    for urn, resource in resources.items():
        if resource["type"] == _TYPE and urn.endswith(f"::{_NAME}"):
            return _read(resource["outputs"]["input"])
    return None


def _read(values: Mapping[str, Any]) -> Record:
    return Record(stack_id=values["stackId"], platform=values["platform"], settings=_settings(values["stackFile"]))


def _settings(values: Mapping[str, Any]) -> Settings | None:
    try:
        return Settings.model_validate(_whole(values))
    except ValidationError:  # another version of this program declared it
        return None


def _whole(value: Any) -> Any:
    """The value with whole numbers as such: the engine passes all numbers as floats."""
    if isinstance(value, Mapping):
        return {key: _whole(item) for key, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [_whole(item) for item in cast("list[Any]", value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def refuse_changes(before: Record | None, platform: str, settings: Settings) -> None:
    """Show what the change of the stack file means, or refuse it.

    Args:
        before: The record of the last update.
        platform: The platform's name.
        settings: The stack file now.

    Raises:
        ChangeError: With every change that cannot be made.
    """
    if before is None:
        return
    if before.platform != platform:
        raise ChangeError(
            f'the stack\'s platform is "{before.platform}" and would become "{platform}"; nothing was changed',
            [f"rename the stack back: its members, volumes and addresses are named after {before.platform}"],
        )
    if before.settings is None:
        pulumi.log.warn("another version declared this stack: what changes since then was not compared")
        return
    found = verdict(before.settings, settings, secret=secret_keys())
    if found.refusals:
        raise ChangeError("the change of the stack file is refused; nothing was changed", found.refusals)
    if found.changes:
        pulumi.log.info("\n".join(["the stack file changes:", *(f"  {change}" for change in found.changes)]))


def keep_record(before: Record | None, platform: str, settings: Settings) -> pulumi.Stash:
    """Declare the record of this update; whatever it changes must depend on it.

    Args:
        before: The record of the last update.
        platform: The platform's name.
        settings: The stack file now.
    """
    values = {
        "stackId": uuid.uuid4().hex if before is None else before.stack_id,
        "platform": platform,
        # The set of topics keeps the topics.
        "stackFile": settings.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"topics"}),
    }
    return pulumi.Stash(_NAME, input=pulumi.Output.secret(values) if secret_keys() else values)


def after(record: pulumi.Resource) -> pulumi.ResourceOptions:
    """Options of a component whose children all depend on the record."""

    def transform(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
        options = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(depends_on=[record]))
        return pulumi.ResourceTransformationResult(args.props, options)

    return pulumi.ResourceOptions(transformations=[transform])
