"""The plugin that hosts Python's dynamic providers: the SDK's own, which ends when the engine is gone.

The engine starts it as ``pulumi-resource-pulumi-python ENGINE_ADDRESS``. It imports nothing of the project: set-up
copies this file alone.
"""

import os
import runpy
import sys
import threading
import time

WATCH_SECONDS = 0.2
"""Seconds between two looks at the engine's process."""


def main() -> None:
    """Serve until the engine ends the process, or is gone."""
    engine = os.getppid()

    def watch() -> None:
        while os.getppid() == engine:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    sys.path[0] = os.getcwd()  # as `python -m` has it: providers are imported from the program's folder
    threading.Thread(target=watch, daemon=True, name="parent").start()
    runpy.run_module("pulumi.dynamic", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
