"""Production refuses the empty passphrase.

Source: components/stack_file/stack.py.
"""

from collections.abc import Mapping
from pathlib import Path

import pulumi
import pytest

from components.errors import PreflightError
from components.stack_file.stack import refuse_empty_passphrase
from tests.unit.mocks import settings_of

SALTED = "encryptionsalt: v1:x\n"
KMS = "secretsprovider: awskms://alias/millrace\nencryptedkey: x\n"
WORD = "PULUMI_CONFIG_PASSPHRASE"


def refuse(
    patch: pytest.MonkeyPatch,
    folder: Path,
    environment: Mapping[str, str],
    *,
    text: str = SALTED,
    stack: str = "prod",
    dry_run: bool = False,
) -> None:
    patch.setattr(pulumi, "get_stack", lambda: stack)
    patch.setattr(pulumi.runtime, "is_dry_run", lambda: dry_run)
    (folder / f"Pulumi.{stack}.yaml").write_text(text)
    (folder / "empty").write_text("\n")
    (folder / "word").write_text("a word\n")
    named = {key: str(folder / value) if key.endswith("_FILE") else value for key, value in environment.items()}
    refuse_empty_passphrase(settings_of(stack), named, folder)


@pytest.mark.parametrize("environment", [{WORD: ""}, {f"{WORD}_FILE": "empty"}, {WORD: "", f"{WORD}_FILE": "word"}])
def test_up_of_production_refuses_the_empty_passphrase(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(PreflightError, match="change-secrets-provider passphrase --stack prod"):
        refuse(monkeypatch, tmp_path, environment)


@pytest.mark.parametrize("environment", [{WORD: "a word"}, {f"{WORD}_FILE": "word"}, {}])
def test_another_passphrase_is_accepted(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refuse(monkeypatch, tmp_path, environment)


def test_a_preview_another_provider_and_a_laptop_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refuse(monkeypatch, tmp_path, {WORD: ""}, dry_run=True)
    refuse(monkeypatch, tmp_path, {WORD: ""}, text=KMS)
    refuse(monkeypatch, tmp_path, {WORD: ""}, stack="dev")
