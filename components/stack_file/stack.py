"""The running stack: its configuration and the target that it chooses."""

import json
from typing import Any

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret

from components.errors import PlatformError
from components.stack_file.settings import Settings, load_settings
from components.targets.base import Target
from components.targets.kubernetes.settings import KubernetesSettings


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


def target_for(settings: Settings, platform: str) -> Target:
    """The target that the stack file chooses."""
    if settings.on_kubernetes:
        return _kubernetes(settings.kubernetes, platform)
    from components.targets.docker.target import DockerTarget

    return DockerTarget(platform, settings.bind_address)


def _kubernetes(settings: KubernetesSettings, platform: str) -> Target:
    from components.targets.kubernetes.addresses import ClusterOptions
    from components.targets.kubernetes.target import KubernetesTarget

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
        spread=settings.spread,
        zones=settings.zones,
        client_namespaces=settings.client_namespaces,
    )
    return KubernetesTarget(platform, options)


def stop(error: PlatformError) -> pulumi.RunError:
    """The error that ends a program with a message instead of a traceback."""
    return pulumi.RunError(str(error))
