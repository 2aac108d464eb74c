"""Millrace, a streaming data platform: stack file -> settings -> changes -> target -> platform -> outputs."""

import gc

gc.disable()  # This process ends in seconds; without collections its imports take 0.65 s instead of 0.75 s.

import os
from pathlib import Path

import pulumi

from components.errors import PlatformError
from components.naming import platform_name
from components.platform import StreamingPlatform, StreamingPlatformArgs, workloads_of
from components.stack_file.images import choose_images
from components.stack_file.record import after, keep_applied, keep_declared, last_record, refuse_changes
from components.stack_file.stack import (
    check_last_update,
    refuse_empty_passphrase,
    stack_settings,
    stop,
    target_for,
)


def main() -> None:
    """Declare the platform that the selected stack asks for."""
    try:
        check_last_update(Path.cwd())
        settings = stack_settings()
        name = platform_name(pulumi.get_project(), pulumi.get_stack())
        before = last_record()
        refuse_empty_passphrase(settings, os.environ, Path.cwd())
        refuse_changes(before, name, settings)
        images = choose_images(settings, os.environ)
        pulumi.log.info(str(images))
        target = target_for(settings, name)
        target.preflight(workloads_of(settings, images, target, name))
        record = keep_declared(before, name, settings)
        args = StreamingPlatformArgs(settings=settings, images=images, target=target)
        platform = StreamingPlatform(name, args, after(record))
        keep_applied(settings, platform)
    except PlatformError as error:
        raise stop(error) from None
    for key, value in platform.outputs.by_name().items():
        pulumi.export(key, value)
    pulumi.export("readme", Path("Pulumi.README.md").read_text())


main()
