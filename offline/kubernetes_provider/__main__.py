"""A resource provider plugin for Kubernetes: the resource types that this project declares, and no others.

It stands in for the official plugin where that cannot be downloaded; offline/README.md says how they differ.
"""

from plugin_protocol import serving


def main() -> None:
    """Serve until the engine ends the process."""
    serving.leave_out_the_sdk()
    from kubernetes_provider.provider import KubernetesProvider

    serving.serve(KubernetesProvider, threads=64)  # each awaited StatefulSet occupies one


main()
