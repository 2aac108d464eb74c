"""The Pulumi CLI, its Python language host and dynamic provider, and the stand-in plugins."""

import os
import shutil
import sys
from pathlib import Path

from offline import toolchain
from offline.steps import CACHE, PROJECT, VENV, digest, install_python, make_venv, run, step, succeeds

VERSION = "v3.258.0"
"""Version of the CLI; the module proxy rejects versions younger than about three months."""

PLUGINS = {"docker": "5.2.0", "kubernetes": "4.34.2"}
"""The plugin versions that the pinned pulumi_docker and pulumi_kubernetes require."""

_PLUGIN_PACKAGES = ("pulumi", "docker", "kubernetes", "PyYAML", "urllib3")

_SOURCES = PROJECT / "offline"

_PLATFORM_MODULES = {
    "docker": (),
    "kubernetes": (
        "components/__init__.py",
        "components/errors.py",
        "components/targets/__init__.py",
        "components/targets/kubernetes/__init__.py",
        "components/targets/kubernetes/quantity.py",
        "components/targets/kubernetes/kubeconfig.py",
    ),
}
"""Modules of the platform that a plugin imports, copied beside it: it must not depend on a checkout."""


def official() -> str | None:
    """The path of an installed Pulumi CLI that this project did not build, or None."""
    outside = os.pathsep.join(
        folder for folder in os.environ.get("PATH", "").split(os.pathsep) if Path(folder) != VENV / "bin"
    )
    return shutil.which("pulumi", path=outside)


def ensure_cli() -> None:
    """Install the CLI and its hosts into `.venv/bin`; the CLI is built from its Go module unless it is in the cache."""
    folder = CACHE / f"pulumi-{VERSION}-{digest(_SOURCES / 'pulumi')}"
    binary = folder / "pulumi"
    if not binary.exists():
        toolchain.build_go(
            f"building the Pulumi CLI {VERSION} from its Go module (about 6 minutes on two cores, once)",
            binary,
            "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
            module=_SOURCES / "pulumi",
            flags=f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={VERSION}",
            log="pulumi-cli",
        )
    installed = VENV / "bin" / "pulumi"
    if not (installed.exists() and installed.stat().st_size == binary.stat().st_size):
        installed.unlink(missing_ok=True)
        try:
            installed.hardlink_to(binary)  # the engine looks for bundled plugins beside itself
        except OSError:
            shutil.copy2(binary, installed)
    _install_script("pulumi-language-python", f"#!{VENV}/bin/python\n", (_SOURCES / "language_host.py").read_text())
    _install_script(
        "pulumi-resource-pulumi-python", f"#!{VENV}/bin/python -u\n", (_SOURCES / "dynamic_host.py").read_text()
    )


def _install_script(name: str, first_line: str, text: str) -> None:
    path = VENV / "bin" / name
    script = first_line + text
    if not (path.exists() and path.read_text() == script):
        path.write_text(script)
        path.chmod(0o755)


def ensure_plugins() -> None:
    """Install the stand-in resource plugins under the versions that the program requires."""
    for name, version in PLUGINS.items():
        _ensure_plugin(name, version)


def plugin_folder(name: str) -> Path:
    """Where the CLI keeps a resource plugin of the version that the program requires."""
    home = Path(os.environ.get("PULUMI_HOME", Path.home() / ".pulumi"))
    return home / "plugins" / f"resource-{name}-v{PLUGINS[name]}"


def _ensure_plugin(name: str, version: str) -> None:
    python = CACHE / f"plugins-{digest(PROJECT / 'constraints.txt')}-{sys.version_info.minor}"
    stamp, wanted = (
        plugin_folder(name) / "millrace-digest",
        f"{digest(*plugin_sources(name))} {python}",
    )
    if stamp.exists() and stamp.read_text() == wanted and succeeds(python / "bin" / "python", "-V"):
        return
    with step(f"installing the {name.capitalize()} resource plugin (a stand-in; see offline/README.md)"):
        _plugin_environment(python)
        folder = CACHE / f"{name}-plugin-sources"
        shutil.rmtree(folder, ignore_errors=True)
        copy_plugin(name, folder)
        run([python / "bin" / "python", "-m", "compileall", "-q", folder], log=f"{name}-plugin")
        script = folder / f"pulumi-resource-{name}"
        script.write_text(f'#!/bin/sh\ncd "$(dirname "$0")" && exec "{python}/bin/python" -u -m {name}_provider "$@"\n')
        script.chmod(0o755)
        (folder / "millrace-digest").write_text(wanted)
        install = [VENV / "bin" / "pulumi", "plugin", "install", "resource", name, version]
        quiet = {"PULUMI_SKIP_UPDATE_CHECK": "true"}
        run([*install, "--file", folder, "--reinstall"], log=f"{name}-plugin", cwd=CACHE, environment=quiet)


def plugin_sources(name: str) -> list[Path]:
    """The packages and modules that a plugin consists of."""
    packages = [_SOURCES / "plugin_protocol", _SOURCES / f"{name}_provider"]
    return packages + [PROJECT / path for path in _PLATFORM_MODULES[name]]


def copy_plugin(name: str, folder: Path) -> None:
    """Copy a plugin's sources into a new folder, from which it can run."""
    for source in plugin_sources(name):
        if source.is_dir():
            shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target = folder / source.relative_to(PROJECT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def _plugin_environment(python: Path) -> None:
    """Create the plugins' virtual environment, outside any checkout: plugins are installed once per user."""
    if succeeds(python / "bin" / "python", "-c", "import pulumi, docker, kubernetes, yaml, urllib3"):
        return
    make_venv(python, "--clear", log="plugins")
    install_python(python, "-c", PROJECT / "constraints.txt", *_PLUGIN_PACKAGES, log="plugins")
