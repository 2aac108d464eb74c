"""A resource provider plugin for Docker: the four resource types that this project declares, and no others.

It stands in for the official plugin where that cannot be downloaded; offline/README.md says how they differ.
"""

from plugin_protocol import serving


def main() -> None:
    """Serve until the engine ends the process."""
    serving.leave_out_the_sdk()
    from docker_provider.provider import DockerProvider

    serving.serve(lambda _: DockerProvider(), threads=16)


main()
