"""kubectl for the test cluster only."""

import subprocess
from collections.abc import Callable

from offline.cluster.binaries import kubectl_binary
from offline.cluster.layout import CONTEXT, KUBECONFIG
from offline.steps import SetupError

Kubectl = Callable[..., str]
"""A function like `kubectl` below."""


def kubectl(*words: str, stdin: str | None = None) -> str:
    """Run kubectl and return its standard output.

    Raises:
        SetupError: It failed; contains its standard error.
    """
    command = [str(kubectl_binary()), f"--kubeconfig={KUBECONFIG}", f"--context={CONTEXT}", *words]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"kubectl {' '.join(words)} failed: {done.stderr.strip()}")
    return done.stdout
