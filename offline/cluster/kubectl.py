"""kubectl, on the test cluster and no other."""

import subprocess
from collections.abc import Callable

from offline.cluster.binaries import kubectl_binary
from offline.cluster.layout import CONTEXT, KUBECONFIG
from offline.steps import SetupError

Kubectl = Callable[..., str]
"""Like `kubectl` below: takes its words, and `stdin`; gives what it printed."""


def kubectl(*words: str, stdin: str | None = None) -> str:
    """Run kubectl and give what it printed.

    Raises:
        SetupError: It failed; holds its words.
    """
    command = [str(kubectl_binary()), f"--kubeconfig={KUBECONFIG}", f"--context={CONTEXT}", *words]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"kubectl {' '.join(words)} failed: {done.stderr.strip()}")
    return done.stdout
