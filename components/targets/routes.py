"""Opens the route that a resource's properties describe: directly, or through the Kubernetes API."""

import atexit
import json
import threading

from components.routes import DIRECT, Route, RouteProps
from components.targets.kubernetes.kubeconfig import Access
from components.targets.kubernetes.port_forward import PortForward
from components.targets.kubernetes.tunnel import Tunnel

_tunnels: dict[str, Tunnel] = {}
_opening = threading.Lock()


def open_route(props: RouteProps | None) -> Route:
    """Open the route that properties describe; equal ones share a tunnel, which lives as long as the process.

    Args:
        props: None for a direct route.

    Raises:
        ClusterError: The kubeconfig or its context cannot be used.
    """
    if props is None:
        return DIRECT
    key = json.dumps([props.get("kubeconfig"), props["context"], props["namespace"], props["hosts"]])
    with _opening:
        if key not in _tunnels:
            dial = PortForward(Access(props.get("kubeconfig"), props["context"]), props["namespace"])
            tunnel = Tunnel(props["hosts"], dial)
            atexit.register(tunnel.close)
            _tunnels[key] = tunnel
        return _tunnels[key]
