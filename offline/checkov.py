"""checkov, which checks manifests against published rules; tests use it."""

import os
import shutil
import sys
from pathlib import Path

from offline.steps import CACHE, install_python, make_venv, step, succeeds

VERSION = "3.3.30"


def ensure_checkov() -> Path:
    """Install checkov into the cache, in its own virtual environment: it has a hundred dependencies."""
    folder = CACHE / f"checkov-{VERSION}-{sys.version_info.minor}"
    program = folder / "bin" / "checkov"
    stamp = folder / "complete"
    if stamp.exists() and succeeds(folder / "bin" / "python", "-V"):
        return program
    with step(f"installing checkov {VERSION} (about a minute, once)"):
        shutil.rmtree(folder, ignore_errors=True)
        make_venv(folder, log="checkov")
        install_python(folder, f"checkov=={VERSION}", log="checkov")
        stamp.touch()
    return program


def offline_environment() -> dict[str, str]:
    """Environment variables that keep checkov off the network."""
    return {**os.environ, "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true"}
