"""The running stack: its configuration and the target that it chooses."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pulumi
import yaml
from pulumi.runtime.config import CONFIG, is_config_secret

from components.errors import PlatformError, PreflightError
from components.stack_file.interrupted import StateFiles, backend_folder, refuse_unfinished
from components.stack_file.settings import Settings, load_settings
from components.targets.base import Target
from components.waiting import wait_until

T = TypeVar("T")
_PATIENCE = 2.0
"""Seconds for the state to be readable."""


def stack_settings() -> Settings:
    """Check the configuration of the running stack.

    Raises:
        SettingsError: With every mistake in the stack file.
    """
    declared = {name: _decoded(value) for name, value in _configured().items()}
    return load_settings(declared, source=f"Pulumi.{pulumi.get_stack()}.yaml", secret_keys=secret_keys())


def secret_keys() -> list[str]:
    """Top-level keys whose values are encrypted in the stack file of the running stack."""
    return [name for name in _configured() if is_config_secret(f"{pulumi.get_project()}:{name}")]


def _configured() -> dict[str, str]:
    """The program's own configuration, by top-level key."""
    prefix = f"{pulumi.get_project()}:"
    # pulumi.Config can look keys up, but not list them.
    return {key.removeprefix(prefix): value for key, value in CONFIG.get().items() if key.startswith(prefix)}


def _decoded(value: str) -> Any:
    """A structured value arrives as JSON, a scalar as its text."""
    if value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):  # no JSON, a number of thousands of digits, or nested too deeply
            return value
    return value


def read_state(read: Callable[[], T], stack: str, tears: tuple[type[Exception], ...]) -> T:
    """Read the stack's state, again if it ends too early: the engine may be writing it at that moment.

    Args:
        read: Reads it.
        stack: The stack's name.
        tears: What ``read`` raises then.

    Raises:
        UnhealthyError: It could not be read in time.
    """
    found: list[T] = []

    def look() -> list[str]:
        try:
            found.append(read())
        except tears as error:
            return [str(error)]
        return []

    wait_until(look, what=f"the state of {stack}", deadline=_PATIENCE, report=lambda _line: None, state="readable")
    return found[0]


def check_last_update(project_folder: Path) -> None:
    """Refuse an update, and warn in a preview, while a killed update has left what is in the way.

    Args:
        project_folder: Where ``Pulumi.yaml`` is. Only a state in a folder can be read from here.

    Raises:
        PreflightError: Names the resources, and the command that heals.
    """
    folder = backend_folder(project_folder, yaml.safe_load((project_folder / "Pulumi.yaml").read_text()))
    if folder is None:
        return
    stack = pulumi.get_stack()
    files = StateFiles(folder, pulumi.get_project(), stack)
    try:
        refuse_unfinished(read_state(files.unfinished, stack, (EOFError, ValueError)), stack)
    except PreflightError as error:
        if not pulumi.runtime.is_dry_run():
            raise
        pulumi.log.warn(str(error))


def refuse_empty_passphrase(settings: Settings, environment: Mapping[str, str], folder: Path) -> None:
    """Refuse to change production while its secrets are encrypted with the empty passphrase; a preview goes on.

    Only a stack whose file holds the salt of a passphrase has one. The CLI reads a passphrase from the environment, or
    asks for it, and passes on the environment alone.

    Args:
        settings: The checked stack file.
        environment: The CLI's environment.
        folder: The folder of the stack file.

    Raises:
        PreflightError: The passphrase is empty.
    """
    production = settings.on_kubernetes and (settings.protect or settings.profile == "production")
    if pulumi.runtime.is_dry_run() or not production:
        return
    stack = pulumi.get_stack()
    file = folder / f"Pulumi.{stack}.yaml"
    if not file.exists() or "encryptionsalt:" not in file.read_text() or _passphrase(environment) != "":
        return
    raise PreflightError(
        f"the passphrase of stack {stack} is empty: who can read its state can read its passwords; nothing was changed",
        [
            f"choose one with `pulumi stack change-secrets-provider passphrase --stack {stack}`, and set "
            "PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE before `up`; a preview needs none"
        ],
    )


def _passphrase(environment: Mapping[str, str]) -> str | None:
    """The passphrase as the CLI finds it; None if it asks for one."""
    if (given := environment.get("PULUMI_CONFIG_PASSPHRASE")) is not None:
        return given
    path = environment.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    return Path(path).read_text().strip() if path else None


def target_for(settings: Settings, platform: str) -> Target:
    """The target that the stack file chooses."""
    if settings.on_kubernetes:
        return _kubernetes(settings, platform)
    from components.targets.docker.target import DockerTarget

    return DockerTarget(platform, settings.bind_address)


def _kubernetes(given: Settings, platform: str) -> Target:
    from components.targets.kubernetes.addresses import ClusterOptions
    from components.targets.kubernetes.target import KubernetesTarget

    settings = given.kubernetes
    if settings.context is None:
        raise ValueError("settings of a Kubernetes target were not checked: no context")
    options = ClusterOptions(
        context=settings.context,
        kubeconfig=settings.kubeconfig,
        namespace=settings.namespace or platform,
        create_namespace=settings.create_namespace,
        domain=settings.cluster_domain,
        storage_class=settings.storage_class,
        pull_policy=settings.image_pull_policy,
        pull_secrets=settings.image_pull_secrets,
        pull_patience=settings.image_pull_patience.total_seconds(),
        spread=settings.spread,
        zones=settings.zones,
        client_namespaces=settings.client_namespaces,
        application_namespaces=tuple(sorted({app.namespace for app in given.apps if app.namespace is not None})),
    )
    return KubernetesTarget(platform, options)


def stop(error: PlatformError) -> pulumi.RunError:
    """The error that ends a program with a message instead of a traceback."""
    return pulumi.RunError(str(error))
