"""Set-up steps: each prints what it does and how long it took, and logs its output."""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
CACHE = Path(os.environ.get("MILLRACE_CACHE", Path.home() / ".cache" / "millrace"))
"""Where builds are cached for all checkouts; set by MILLRACE_CACHE."""

_LAST_LINES = 25


class SetupError(Exception):
    """A step failed; the text is shown to the user."""


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print the title, and the duration when the block ends."""
    print(f"==> {title}", flush=True)
    start = time.monotonic()
    yield
    print(f"    done in {time.monotonic() - start:.0f} s", flush=True)


def run(
    command: Sequence[str | Path],
    *,
    log: str,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
) -> None:
    """Run a command and append its output to a log in the cache.

    Raises:
        SetupError: It failed; contains the last lines of its output and the path of the log.
    """
    path = CACHE / "logs" / f"{log}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in command]
    with path.open("ab") as output:
        output.write(f"$ {shlex.join(words)}\n".encode())
        output.flush()
        try:
            done = subprocess.run(
                words,
                cwd=cwd,
                env={**os.environ, **(environment or {})},
                input=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        except FileNotFoundError as error:
            raise SetupError(f"{words[0]} is not installed") from error
    if done.returncode:
        lines = path.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        shown = "\n".join(f"    {line}" for line in lines)
        raise SetupError(f"{words[0]} failed with status {done.returncode}; the last lines of {path}:\n{shown}")


def make_venv(folder: Path, *options: str, log: str) -> None:
    """Make a virtual environment with this Python.

    Raises:
        SetupError: It failed.
    """
    run([sys.executable, "-m", "venv", *options, folder], log=log)


def install_python(venv: Path, *arguments: str | Path, log: str) -> None:
    """Run ``pip install`` in a virtual environment, from the project's folder.

    Raises:
        SetupError: It failed.
    """
    pip = [venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run([*pip, *arguments], log=log, cwd=PROJECT)


@contextmanager
def built_folder(folder: Path) -> Iterator[Path]:
    """A new folder to build in; it becomes ``folder`` when the block succeeds, so an interrupted build never counts."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def succeeds(*command: str | Path) -> bool:
    """Whether a command exists and exits with status 0; its output is discarded."""
    try:
        return subprocess.run([str(word) for word in command], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def digest(*paths: Path) -> str:
    """A short hash of files and folders: their paths and contents."""
    state = hashlib.sha256()
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                state.update(str(file.relative_to(PROJECT)).encode() + b"\0" + file.read_bytes() + b"\0")
    return state.hexdigest()[:16]


def install_packages(*packages: str) -> None:
    """Install Debian packages.

    Raises:
        SetupError: The system has no apt-get, or this user is not root.
    """
    if os.geteuid() != 0 or not succeeds("apt-get", "--version"):
        raise SetupError(f"install {', '.join(packages)}: set-up can do this only as root on Debian")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with step(f"installing {', '.join(packages)}"):
        run(["apt-get", "update", "-q"], log="apt", environment=quiet)
        run(["apt-get", "install", "-qy", "--no-install-recommends", *packages], log="apt", environment=quiet)


def fail(error: SetupError) -> None:
    """Print an error and exit with status 1."""
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(1)
