"""The control plane: host processes that listen on the nodes' gateway and on loopback."""

import time

from offline.cluster import binaries, processes
from offline.cluster.certificates import PKI
from offline.cluster.kubectl import kubectl
from offline.cluster.layout import API_PORT, GATEWAY, KUBECONFIG, POD_SUBNET, SERVICE_SUBNET, STATE
from offline.steps import SetupError

ETCD_CLIENTS = "http://127.0.0.1:12379"
ETCD_PEERS = "http://127.0.0.1:12380"
COREFILE = STATE / "Corefile"
_READY_SECONDS = 60


def commands() -> dict[str, list[str]]:
    """The command line of each process, in start order."""
    return {
        "etcd": _etcd(),
        "kube-apiserver": _api_server(),
        "kube-controller-manager": _controller_manager(),
        "kube-scheduler": _scheduler(),
        "coredns": [str(binaries.coredns()), "-conf", str(COREFILE)],
    }


def _etcd() -> list[str]:
    return [
        str(binaries.etcd()),
        f"--data-dir={STATE / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={ETCD_CLIENTS}",
        f"--advertise-client-urls={ETCD_CLIENTS}",
        f"--listen-peer-urls={ETCD_PEERS}",
    ]


def _api_server() -> list[str]:
    return [
        str(binaries.kube()),
        "kube-apiserver",
        f"--etcd-servers={ETCD_CLIENTS}",
        f"--bind-address={GATEWAY}",
        f"--advertise-address={GATEWAY}",
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={SERVICE_SUBNET}",
        "--allow-privileged",
        "--authorization-mode=RBAC",
        f"--client-ca-file={PKI / 'ca.crt'}",
        f"--tls-cert-file={PKI / 'server.crt'}",
        f"--tls-private-key-file={PKI / 'server.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={PKI / 'accounts.pub'}",
        f"--service-account-signing-key-file={PKI / 'accounts.key'}",
        f"--kubelet-client-certificate={PKI / 'admin.crt'}",
        f"--kubelet-client-key={PKI / 'admin.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        # The default of five minutes would slow down tests that lose a node.
        "--default-not-ready-toleration-seconds=30",
        "--default-unreachable-toleration-seconds=30",
    ]


def _controller_manager() -> list[str]:
    return [
        str(binaries.kube()),
        "kube-controller-manager",
        f"--kubeconfig={KUBECONFIG}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        f"--cluster-cidr={POD_SUBNET}",
        f"--root-ca-file={PKI / 'ca.crt'}",
        f"--service-account-private-key-file={PKI / 'accounts.key'}",
        "--use-service-account-credentials",
        # A dead node is noticed after 16 s instead of 50; nodes renew their lease every 4 s (see nodes.py).
        "--node-monitor-period=2s",
        "--node-monitor-grace-period=16s",
    ]


def _scheduler() -> list[str]:
    return [
        str(binaries.kube()),
        "kube-scheduler",
        f"--kubeconfig={KUBECONFIG}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
    ]


def corefile() -> str:
    """The configuration of CoreDNS.

    It resolves the cluster's names only: nothing outside is reachable. Answers are not cached, as in kubeadm since
    Kubernetes 1.32 (https://github.com/kubernetes/kubernetes/pull/128359).
    """
    return f""".:53 {{
    bind {GATEWAY}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {KUBECONFIG}
        pods insecure
        ttl 5
    }}
}}
"""


def start_api() -> None:
    """Start etcd and the API server."""
    for name in ("etcd", "kube-apiserver"):
        processes.start(name, commands()[name])


def start_controllers() -> None:
    """Wait for the API server, then start its clients: the controller manager exits if the server is not ready."""
    _wait_for_api()
    COREFILE.write_text(corefile())
    for name in ("kube-controller-manager", "kube-scheduler", "coredns"):
        processes.start(name, commands()[name])


def all_running() -> bool:
    """Whether every process runs with this checkout's settings."""
    return all(processes.running(command) for command in commands().values())


def _wait_for_api() -> None:
    end = time.monotonic() + _READY_SECONDS
    while not _api_ready():
        for name in ("etcd", "kube-apiserver"):
            if not processes.running(commands()[name]):
                raise SetupError(f"{name} of the test cluster exited; see {processes.log_of(name)}")
        if time.monotonic() > end:
            log = processes.log_of("kube-apiserver")
            raise SetupError(f"the API server is not ready after {_READY_SECONDS} s; see {log}")
        time.sleep(0.2)


def _api_ready() -> bool:
    try:
        return kubectl("get", "--raw", "/readyz") == "ok"
    except SetupError:
        return False
