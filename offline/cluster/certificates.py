"""The cluster's certificate authority and certificates, and the administrator's kubeconfig."""

import base64
import json
from pathlib import Path

from offline.cluster.layout import API_ADDRESS, API_PORT, CONTEXT, GATEWAY, KUBECONFIG, STATE
from offline.steps import run

PKI = STATE / "pki"
_DAYS = "365"
_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
"""EC keys are generated at once; RSA keys would slow down the start noticeably."""


def make_certificates() -> None:
    """Create the authority, the API server's and the administrator's certificates, and the service account key."""
    PKI.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = ["openssl", "req", "-x509", *_KEY, "-days", _DAYS, "-subj", "/CN=millrace-test-ca"]
    run([*authority, "-keyout", PKI / "ca.key", "-out", PKI / "ca.crt"], log="certificates")
    _certificate("server", "/CN=kube-apiserver")
    _certificate("admin", "/O=system:masters/CN=millrace-test-admin")
    curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    run(["openssl", "genpkey", *curve, "-out", PKI / "accounts.key"], log="certificates")
    run(["openssl", "pkey", "-in", PKI / "accounts.key", "-pubout", "-out", PKI / "accounts.pub"], log="certificates")


def _certificate(name: str, subject: str) -> None:
    request, names = PKI / f"{name}.csr", PKI / f"{name}.names"
    addresses = ["127.0.0.1", API_ADDRESS, GATEWAY]
    names.write_text(
        "subjectAltName=DNS:kubernetes.default.svc,DNS:localhost," + ",".join(f"IP:{one}" for one in addresses)
    )
    key = ["-keyout", PKI / f"{name}.key"]
    run(["openssl", "req", *_KEY, *key, "-out", request, "-subj", subject], log="certificates")
    authority = ["-CA", PKI / "ca.crt", "-CAkey", PKI / "ca.key", "-CAcreateserial"]
    sign = ["openssl", "x509", "-req", "-in", request, *authority, "-days", _DAYS, "-extfile", names]
    run([*sign, "-out", PKI / f"{name}.crt"], log="certificates")


def write_kubeconfig() -> None:
    """Write the administrator's kubeconfig, readable by this user only."""
    parts = [(PKI / name).read_bytes() for name in ("ca.crt", "admin.crt", "admin.key")]
    write_private(KUBECONFIG, kubeconfig(*parts))


def kubeconfig(authority: bytes, certificate: bytes, key: bytes) -> str:
    """The text of a kubeconfig, as JSON: it is valid YAML and needs no package."""
    encode = [base64.b64encode(part).decode() for part in (authority, certificate, key)]
    cluster = {"server": f"https://{GATEWAY}:{API_PORT}", "certificate-authority-data": encode[0]}
    user = {"client-certificate-data": encode[1], "client-key-data": encode[2]}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": CONTEXT, "user": user}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
        "current-context": CONTEXT,
    }
    return json.dumps(config, indent=2) + "\n"


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can ever read."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
