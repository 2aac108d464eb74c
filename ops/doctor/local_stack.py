"""The project, stack and Docker engine that checks examine; each is read once, on first use."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from components.errors import PreflightError
from components.naming import platform_name
from components.stack_file.interrupted import StateFiles, backend_folder
from components.targets.docker.client import LocalEngine
from ops.errors import UnreachableError
from ops.platform import Platform, platform_of
from ops.pulumi_cli import project_folder, pulumi_cli, selected_stack, stack_outputs

if TYPE_CHECKING:
    from components.stack_file.settings import Settings


@dataclass(frozen=True)
class LocalStack:
    """A stack of a project on this machine. Every property may raise a ``PlatformError``.

    Args:
        stack: The stack's name, or None for the selected one.
        folder: The project's folder.
    """

    stack: str | None
    folder: Path = field(default_factory=project_folder)

    @cached_property
    def name(self) -> str:
        """The stack's name."""
        return self.stack or selected_stack(self.folder)

    @cached_property
    def project(self) -> Mapping[str, Any]:
        """The content of ``Pulumi.yaml``."""
        return _yaml(self.folder / "Pulumi.yaml")

    @cached_property
    def platform_name(self) -> str:
        """The platform's name, the prefix of its containers' names."""
        return platform_name(self.project["name"], self.name)

    @property
    def stack_file(self) -> Path:
        """The path of the stack file."""
        return self.folder / f"Pulumi.{self.name}.yaml"

    @cached_property
    def settings(self) -> "Settings":
        """The validated settings of the stack file.

        Raises:
            SettingsError: Lists every mistake.
        """
        from components.stack_file.settings import load_settings

        prefix = f"{self.project['name']}:"
        found: Mapping[str, Any] = _yaml(self.stack_file).get("config") or {}
        declared = {key.removeprefix(prefix): value for key, value in found.items() if key.startswith(prefix)}
        secret = [key for key, value in declared.items() if '"secure"' in json.dumps(value)]
        return load_settings(
            {key: _without_ciphertext(value) for key, value in declared.items()},
            source=self.stack_file.name,
            secret_keys=secret,
        )

    @cached_property
    def outputs(self) -> Mapping[str, Any]:
        """The stack's outputs; reading them needs the passphrase."""
        return stack_outputs(self.folder, self.name)

    @cached_property
    def deployment(self) -> Mapping[str, Any]:
        """The stack's state, with encrypted secrets."""
        if self.state_files is not None and (found := self.state_files.deployment()):
            return found
        text = pulumi_cli(self.folder, "stack", "export", "--stack", self.name)
        return json.loads(text).get("deployment") or {}

    @property
    def is_up(self) -> bool:
        """Whether the state has resources."""
        return any(not resource["type"].startswith("pulumi:") for resource in self.resources)

    @property
    def resources(self) -> Sequence[Mapping[str, Any]]:
        """The resources in the stack's state."""
        return self.deployment.get("resources") or ()

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
    def docker(self) -> Any:
        """A ``docker.DockerClient`` of the same engine, for requests that only this command makes.

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
    def state_files(self) -> StateFiles | None:
        """The files of the stack's state; None if the backend is not a folder."""
        folder = backend_folder(self.folder, self.project)
        return None if folder is None else StateFiles(folder, self.project["name"], self.name)


def _yaml(file: Path) -> Mapping[str, Any]:
    import yaml

    try:
        return yaml.safe_load(file.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise UnreachableError(f"{file.name} cannot be read", [str(error)]) from None


def _without_ciphertext(value: Any) -> Any:
    """A setting with a placeholder for each encrypted value, which checks never need."""
    match value:
        case {"secure": _, **others} if not others:
            return "a secret"
        case dict():
            return {key: _without_ciphertext(item) for key, item in cast(dict[str, Any], value).items()}
        case list():
            return [_without_ciphertext(item) for item in cast(list[Any], value)]
        case _:
            return value
