"""The cluster's programs: built from Go modules into the cache, and Debian's etcd."""

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path

from offline import toolchain
from offline.cluster.layout import SOURCES
from offline.steps import CACHE, built_folder, digest, install_packages, run, step

KUBERNETES_VERSION = "v1.33.13"
COREDNS_VERSION = "v1.12.4"
KUBECONFORM_VERSION = "v0.6.7"

_KUBECTL_MINIMUM = (1, 30)
_MODULE = SOURCES / "kube"
_WITHOUT_C = {"CGO_ENABLED": "0"}
"""kube is built on the host and runs in the nodes, whose C library may be older."""


def ensure_binaries() -> None:
    """Build or install missing programs."""
    _build(kube(), ".", "about 5 minutes on two cores, once")
    if not kubectl_binary().exists():
        _build(kubectl_binary(), "k8s.io/kubernetes/cmd/kubectl", "about a minute, once")
    _install(coredns(), "github.com/coredns/coredns", COREDNS_VERSION, "about 2 minutes on two cores, once")
    ensure_kubeconform()
    if not etcd().exists():
        install_packages("etcd-server")


def ensure_kubeconform() -> Path:
    """Build kubeconform if it is missing; tests also use it without a cluster."""
    package = "github.com/yannh/kubeconform/cmd/kubeconform"
    _install(kubeconform(), package, KUBECONFORM_VERSION, "seconds, once")
    return kubeconform()


def kube() -> Path:
    """API server, controller manager, scheduler, kubelet and proxy in one program, compiled and linked once."""
    return _kubernetes() / "kube"


@cache
def kubectl_binary() -> Path:
    """The machine's own kubectl if it is new enough, else one of the cluster's version."""
    own = shutil.which("kubectl")
    return Path(own) if own and _kubectl_version(own) >= _KUBECTL_MINIMUM else _kubernetes() / "kubectl"


def coredns() -> Path:
    """The DNS server of the cluster."""
    return CACHE / f"coredns-{COREDNS_VERSION}" / "coredns"


def kubeconform() -> Path:
    """Validates manifests against the Kubernetes schemas, for tests."""
    return CACHE / f"kubeconform-{KUBECONFORM_VERSION}" / "kubeconform"


def etcd() -> Path:
    """The API server's datastore: from PATH, else Debian's."""
    return Path(shutil.which("etcd") or "/usr/bin/etcd")


def _kubernetes() -> Path:
    return CACHE / f"kubernetes-{KUBERNETES_VERSION}-{digest(_MODULE)}"


def _kubectl_version(binary: str) -> tuple[int, int]:
    show = [binary, "version", "--client", "--output", "json"]
    text = subprocess.run(show, capture_output=True, text=True, check=False).stdout
    try:
        version = json.loads(text)["clientVersion"]
        return int(version["major"]), int(version["minor"].rstrip("+"))
    except (ValueError, KeyError):
        return (0, 0)


def _build(binary: Path, package: str, duration: str) -> None:
    """Build a program of the Kubernetes module."""
    if binary.exists():
        return
    toolchain.build_go(
        f"building {binary.name} {KUBERNETES_VERSION} from its Go module ({duration})",
        binary,
        package,
        module=_MODULE,
        flags=_version_flags(),
        log=binary.name,
        environment=_WITHOUT_C,
    )


def _version_flags() -> str:
    """Linker flags that set the version, as the Kubernetes build does."""
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    values = {"gitVersion": KUBERNETES_VERSION, "gitMajor": major, "gitMinor": minor}
    return " ".join(f"-X k8s.io/component-base/version.{key}={value}" for key, value in values.items())


def _install(binary: Path, package: str, version: str, duration: str) -> None:
    """Build a program that has its own module; Go's checksum database pins its sources."""
    if binary.exists():
        return
    go = toolchain.go()
    title = f"building {binary.name} {version} from its Go module ({duration})"
    with step(title), built_folder(binary.parent) as folder:
        install = [go, "install", "-ldflags", "-s -w", f"{package}@{version}"]
        environment = {**toolchain.GO_ENVIRONMENT, **_WITHOUT_C, "GOBIN": str(folder)}
        run(install, log=binary.name, cwd=CACHE, environment=environment)
