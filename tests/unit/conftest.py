"""Unit tests see nothing of the machine's own clusters, and do not fail because it is busy."""

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, never whether the code is right.
settings.register_profile("millrace", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("millrace")


@pytest.fixture(autouse=True)
def _no_kubeconfig(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
