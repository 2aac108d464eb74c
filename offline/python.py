"""The virtual environment of the project."""

import sys

from offline.steps import PROJECT, VENV, digest, install_packages, install_python, make_venv, step, succeeds

_REQUIREMENTS = [PROJECT / "requirements.txt", PROJECT / "requirements-dev.txt", PROJECT / "constraints.txt"]


def ensure_venv() -> None:
    """Create `.venv` with the pinned packages, unless it is up to date."""
    stamp = VENV / ".millrace-packages"
    wanted = digest(*_REQUIREMENTS)
    if stamp.exists() and stamp.read_text() == wanted and succeeds(VENV / "bin" / "python", "-c", "import pulumi"):
        return
    with step("installing Python packages into .venv"):
        if not succeeds(sys.executable, "-c", "import ensurepip"):
            install_packages("python3-venv")
        make_venv(VENV, log="venv")
        install_python(VENV, "-r", _REQUIREMENTS[0], "-r", _REQUIREMENTS[1], log="venv")
        stamp.write_text(wanted)
