"""What checks look at: the project, the stack and its engine, each read once and only when asked for."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import PreflightError
from components.naming import platform_name
from components.targets.docker.client import LocalEngine
from ops.errors import UnreachableError
from ops.platform import Platform, platform_of
from ops.pulumi_cli import project_folder, pulumi_cli

if TYPE_CHECKING:
    from docker import DockerClient

    from components.stack_file.settings import Settings


@dataclass(frozen=True)
class Case:
    """One stack of one project on this machine. Every property may raise a ``PlatformError``.

    Args:
        stack: The stack's name, or None for the selected one.
        folder: The project's folder.
    """

    stack: str | None
    folder: Path = field(default_factory=project_folder)

    @cached_property
    def name(self) -> str:
        """The stack's name."""
        return self.stack or pulumi_cli(self.folder, "stack", "--show-name").strip()

    @cached_property
    def project(self) -> Mapping[str, Any]:
        """The project file."""
        return _yaml(self.folder / "Pulumi.yaml")

    @cached_property
    def platform_name(self) -> str:
        """The platform's name, the start of its containers' names."""
        return platform_name(self.project["name"], self.name)

    @property
    def stack_file(self) -> Path:
        """The stack file."""
        return self.folder / f"Pulumi.{self.name}.yaml"

    @cached_property
    def settings(self) -> "Settings":
        """The stack file's settings, checked.

        Raises:
            SettingsError: With every mistake.
        """
        from components.stack_file.settings import load_settings

        prefix = f"{self.project['name']}:"
        found: Mapping[str, Any] = _yaml(self.stack_file).get("config") or {}
        declared = {key.removeprefix(prefix): value for key, value in found.items() if key.startswith(prefix)}
        secret = [key for key, value in declared.items() if '"secure"' in json.dumps(value)]
        return load_settings(
            {key: _without_ciphers(value) for key, value in declared.items()},
            source=self.stack_file.name,
            secret_keys=secret,
        )

    @cached_property
    def outputs(self) -> Mapping[str, Any]:
        """The stack's outputs; reading them takes the passphrase."""
        return json.loads(pulumi_cli(self.folder, "stack", "output", "--stack", self.name, "--json", "--show-secrets"))

    @cached_property
    def deployment(self) -> Mapping[str, Any]:
        """The stack's state, whose secrets stay encrypted."""
        text = pulumi_cli(self.folder, "stack", "export", "--stack", self.name)
        return json.loads(text).get("deployment") or {}

    @property
    def is_up(self) -> bool:
        """Whether the state has anything in it."""
        return any(not resource["type"].startswith("pulumi:") for resource in self.deployment.get("resources") or ())

    @cached_property
    def platform(self) -> Platform:
        """The running platform."""
        return platform_of(self.name, self.outputs)

    @cached_property
    def engine(self) -> LocalEngine:
        """The Docker engine.

        Raises:
            PreflightError: It cannot be used.
        """
        return self._answering_engine()

    @cached_property
    def docker(self) -> "DockerClient":
        """The same engine, for questions that only this command asks.

        Raises:
            PreflightError: It cannot be used.
        """
        import docker

        self._answering_engine()
        return docker.from_env(timeout=30)

    def _answering_engine(self) -> LocalEngine:
        engine = LocalEngine(self.platform_name)
        if reason := engine.ping():
            raise PreflightError("no Docker engine can be used", [reason])
        return engine

    @cached_property
    def backend(self) -> Path | None:
        """The folder of the state's files; None where the state is kept elsewhere."""
        url = os.environ.get("PULUMI_BACKEND_URL") or (self.project.get("backend") or {}).get("url") or ""
        if not url.startswith("file://"):
            return None
        return (self.folder / Path(url.removeprefix("file://")).expanduser()).resolve() / ".pulumi"


def _yaml(file: Path) -> Mapping[str, Any]:
    import yaml

    try:
        return yaml.safe_load(file.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise UnreachableError(f"{file.name} cannot be read", [str(error)]) from None


def _without_ciphers(value: Any) -> Any:
    """A setting with a word in place of each encrypted value: what it says is nobody's business here."""
    if isinstance(value, dict):
        return "a secret" if set(value) == {"secure"} else {key: _without_ciphers(item) for key, item in value.items()}
    return [_without_ciphers(item) for item in value] if isinstance(value, list) else value
