"""`python -m exporter`: looks and serves until it is told to end. Variables: see `exporter/settings.py`."""

import logging
import os
import signal
import sys
import threading

from components.errors import SettingsError
from exporter import server
from exporter.groups_check import GroupsCheck
from exporter.kafka_check import KafkaCheck
from exporter.metrics import PlatformCollector, Watches
from exporter.redis_check import RedisCheck
from exporter.settings import Settings, load
from exporter.watch import Watch
from exporter.zookeeper_check import ZooKeeperCheck

BAD_VARIABLES = 2
"""Exit code where the variables cannot be used."""

_log = logging.getLogger("exporter")


def main() -> None:
    """Run the exporter."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    try:
        settings = load(os.environ)
    except SettingsError as error:
        _log.error("%s", error)
        sys.exit(BAD_VARIABLES)
    watches = watch(settings)
    collector = PlatformCollector(watches, settings.brokers)
    served = server.application(collector, lambda: all(check.alive for check in watches.all()))
    try:
        listening = server.make(settings.port, served)
    except OSError as error:
        _log.error("METRICS_PORT %d cannot be served: %s", settings.port, error)
        sys.exit(1)
    for check in watches.all():
        check.start()
    threading.Thread(target=listening.serve_forever, name="http", daemon=True).start()
    _log.info("metrics at :%d%s, a look every %g s", settings.port, server.METRICS, settings.interval)
    ending.wait()
    logging.shutdown()
    os._exit(0)  # checks in the middle of a look hold nothing that has to be put away, and waiting helps nobody


def watch(settings: Settings) -> Watches:
    """The checks, which have not begun."""
    kafka = KafkaCheck(settings.bootstrap, settings.brokers, settings.minimum_in_sync)
    redis = RedisCheck(settings.redis, settings.redis_password_file)
    return Watches(
        kafka=Watch("kafka", kafka.look, settings.interval),
        groups=Watch("groups", GroupsCheck(settings.bootstrap).look, settings.interval),
        zookeeper=Watch("zookeeper", ZooKeeperCheck(settings.zookeeper).look, settings.interval),
        redis=Watch("redis", redis.look, settings.interval),
    )


if __name__ == "__main__":
    main()
