"""What the stack's state holds of earlier updates: the stack file, as declared and as applied, and the stack's id.

Pulumi's own :class:`pulumi.Stash` keeps both. ``declared`` is the first resource of every update, ``applied`` the last:
an update that fails or is killed writes the first only.
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
from components.stack_file.stack import read_state, secret_keys
from components.stack_file.transitions import verdict
from components.transitions import Refused, Verdict

_DECLARED, _APPLIED = "declared", "applied"
_TYPE = "pulumi:index:Stash"


@dataclass(frozen=True, kw_only=True)
class Record:
    """What earlier updates declared.

    Args:
        stack_id: A random text that stays the same for the life of the stack.
        platform: The platform's name.
        settings: The stack file of the last update that succeeded, else of the last one, without secrets and topics;
            None if this version cannot read it.
        applied: Whether an update has succeeded.
    """

    stack_id: str
    platform: str
    settings: Settings | None
    applied: bool = True


def last_record() -> Record | None:
    """The record of earlier updates, or None if there was none."""
    name = "/".join((pulumi.get_organization(), pulumi.get_project(), pulumi.get_stack()))
    resources = _resources(name)
    kept = {
        urn.rpartition("::")[2]: resource["outputs"]["input"]
        for urn, resource in resources.items()
        if resource["type"] == _TYPE
    }
    if _DECLARED not in kept:
        return None
    declared = kept[_DECLARED]
    return Record(
        stack_id=declared["stackId"],
        platform=declared["platform"],
        settings=_settings(kept.get(_APPLIED, declared)["stackFile"]),
        applied=_APPLIED in kept,
    )


def _resources(stack: str) -> Mapping[str, Mapping[str, Any]]:
    """The resources in the state: type and outputs by URN.

    Raises:
        UnhealthyError: It could not be read in time.
    """

    def read() -> Mapping[str, Any]:
        return invoke("pulumi:pulumi:readStackResourceOutputs", {"stackName": stack}).value or {}

    # The SDK raises nothing more exact.
    return read_state(read, stack, (Exception,)).get("outputs") or {}


def _settings(values: Mapping[str, Any]) -> Settings | None:
    try:
        return Settings.model_validate(_as_meant(_whole(values)))
    except ValidationError:  # another version of this program declared it
        return None


def _as_meant(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values with what an earlier version took for granted, or changes of such a platform would not be compared.

    Before ``kafka.allowInsecureExternal``, ``kafka.external`` alone exposed brokers without access.
    """
    kafka: Mapping[str, Any] = values.get("kafka", {})
    if kafka.get("external", "none") == "none":
        return values
    return {**values, "kafka": {"allowInsecureExternal": True, **kafka}}


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
    if not before.applied:  # there is no platform yet that ran, only what makes it this one
        identity = [item for item in found.changes if isinstance(item.answer, Refused) and item.answer.identity]
        found = Verdict(changes=identity)
    if found.refusals:
        raise ChangeError("the change of the stack file is refused; nothing was changed", found.refusals)
    if found.changes:
        pulumi.log.info("\n".join(["the stack file changes:", *(f"  {change}" for change in found.changes)]))


def keep_declared(before: Record | None, platform: str, settings: Settings) -> pulumi.Resource:
    """Declare the record of what this update asks for; whatever it changes must depend on it.

    Args:
        before: The record of earlier updates.
        platform: The platform's name.
        settings: The stack file now.
    """
    stack_id = uuid.uuid4().hex if before is None else before.stack_id
    return _stash(_DECLARED, {"stackId": stack_id, "platform": platform, "stackFile": settings.written()})


def keep_applied(settings: Settings, platform: pulumi.Resource) -> pulumi.Resource:
    """Declare the record of what this update has reached, after everything else.

    Args:
        settings: The stack file now.
        platform: The component that holds everything else.
    """
    options = pulumi.ResourceOptions(depends_on=[platform])
    return _stash(_APPLIED, {"stackFile": settings.written()}, options)


def _stash(name: str, values: Mapping[str, object], options: pulumi.ResourceOptions | None = None) -> pulumi.Resource:
    return pulumi.Stash(name, options, input=pulumi.Output.secret(values) if secret_keys() else values)


def after(record: pulumi.Resource) -> pulumi.ResourceOptions:
    """Options of a component whose children all depend on the record."""

    def transform(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
        options = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(depends_on=[record]))
        return pulumi.ResourceTransformationResult(args.props, options)

    return pulumi.ResourceOptions(transformations=[transform])
