"""The virtual environment of the project."""

import subprocess
import sys

from offline.steps import PROJECT, VENV, digest, install_packages, run, step, succeeds

_REQUIREMENTS = [PROJECT / "requirements.txt", PROJECT / "requirements-dev.txt", PROJECT / "constraints.txt"]


def ensure_venv() -> None:
    """Make `.venv` and install the pinned packages, where that is not done already."""
    stamp = VENV / ".millrace-packages"
    wanted = digest(*_REQUIREMENTS)
    if stamp.exists() and stamp.read_text() == wanted and succeeds(VENV / "bin" / "python", "-c", "import pulumi"):
        return
    with step("installing Python packages into .venv"):
        if subprocess.run([sys.executable, "-c", "import ensurepip"], capture_output=True, check=False).returncode:
            install_packages("python3-venv")
        run([sys.executable, "-m", "venv", VENV], log="venv")
        pip = [VENV / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        run([*pip, "-r", _REQUIREMENTS[0], "-r", _REQUIREMENTS[1]], log="venv", cwd=PROJECT)
        stamp.write_text(wanted)
