"""Millrace, a streaming data platform: stack file -> settings -> target -> platform -> outputs."""

import os
from pathlib import Path

import pulumi

from components.errors import PlatformError
from components.naming import platform_name
from components.platform import StreamingPlatform, StreamingPlatformArgs, workloads_of
from components.stack_file.images import choose_images
from components.stack_file.stack import stack_settings, stop, target_for


def main() -> None:
    """Declare the platform that the selected stack asks for."""
    try:
        settings = stack_settings()
        name = platform_name(pulumi.get_project(), pulumi.get_stack())
        images = choose_images(settings, os.environ)
        pulumi.log.info(str(images))
        target = target_for(settings, name)
        target.preflight(workloads_of(settings, images, target, name))
        platform = StreamingPlatform(name, StreamingPlatformArgs(settings=settings, images=images, target=target))
    except PlatformError as error:
        raise stop(error) from None
    for key, value in platform.outputs.by_name().items():
        pulumi.export(key, value)
    pulumi.export("readme", Path("Pulumi.README.md").read_text())


main()
