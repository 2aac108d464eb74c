"""The component of generated passwords, in a program without a platform.

Source: components/credentials/component.py.
Proof limit: mocks replace the engine; the tests on a real engine create and store passwords.
"""

from components.credentials.component import Credentials, CredentialsArgs
from tests.unit.mocks import CREDENTIALS, GENERATED_PASSWORD, SECRET_MARK, declared_by, masked


def test_a_generated_password_is_a_secret_output() -> None:
    run = declared_by(lambda: {"password": Credentials("login", CredentialsArgs(account="app")).password})
    assert run.outputs == {"password": GENERATED_PASSWORD}
    assert run.secret_outputs == {"password"}
    login = run.one(CREDENTIALS, "login")
    assert login.secret_outputs == ("password",)
    assert masked(login.inputs) == {"account": "app", "__provider": SECRET_MARK}
