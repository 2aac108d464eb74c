"""The resource of certificates, in a program without a platform.

Source: components/access/component.py.
Proof limit: mocks replace the engine.
"""

from components.access.component import Certificates, CertificatesArgs
from tests.unit.mocks import CERTIFICATES, SECRET_MARK, declared_by, masked


def test_keys_are_secret_outputs_and_nothing_else_is() -> None:
    hosts = {"kafka": ["kafka-0", "127.0.0.1"]}

    def program() -> dict[str, object]:
        made = Certificates("tls", CertificatesArgs(platform="millrace-test", hosts=hosts, trust=(2, 1)))
        return {"trusted": made.trusted, "expires": made.expires}

    run = declared_by(program)
    assert run.secret_outputs == set()
    made = run.one(CERTIFICATES, "tls")
    assert sorted(made.secret_outputs) == ["authorities", "members"]
    assert masked(made.inputs) == {
        "__provider": SECRET_MARK,
        "platform": "millrace-test",
        "hosts": hosts,
        "sign": 1,
        "trust": [1, 2],
        "lifetime": 365 * 24 * 3600,
    }
