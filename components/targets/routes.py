"""Opens the route that a resource's properties describe: direct, or a tunnel through the Kubernetes API."""

import atexit
import threading
from collections.abc import Hashable

from components.routes import DIRECT, Route, RouteProps

_tunnels: dict[Hashable, Route] = {}
_opening = threading.Lock()


def open_route(props: RouteProps | None) -> Route:
    """Open the route that properties describe. Equal routes share a tunnel, which lives as long as the process.

    Args:
        props: None for a direct route.

    Raises:
        ClusterError: The kubeconfig or its context cannot be used.
    """
    if props is None:
        return DIRECT
    # Loaded late: a program that runs on Docker needs none of it.
    from components.targets.kubernetes.kubeconfig import shared_access
    from components.targets.kubernetes.port_forward import PortForward
    from components.targets.kubernetes.tunnel import Tunnel

    kubeconfig, context = props.get("kubeconfig"), props["context"]
    namespace, hosts = props["namespace"], props["hosts"]
    key = (kubeconfig, context, namespace, *hosts)
    with _opening:
        if key not in _tunnels:
            tunnel = Tunnel(hosts, PortForward(shared_access(kubeconfig, context), namespace))
            atexit.register(tunnel.close)
            _tunnels[key] = tunnel
        return _tunnels[key]
