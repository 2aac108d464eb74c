"""`python -m exporter`: checks and serves until SIGTERM or SIGINT. Variables: see `exporter/settings.py`."""

import json
import logging
import os
import signal
import sys
import threading

from components.errors import SettingsError
from components.kafka.security import Security
from exporter import server
from exporter.groups_check import GroupsCheck
from exporter.kafka_check import KafkaCheck
from exporter.metrics import Checks, PlatformCollector
from exporter.periodic import PeriodicCheck
from exporter.redis_check import RedisCheck
from exporter.settings import Settings, load
from exporter.zookeeper_check import ZooKeeperCheck

BAD_VARIABLES = 2
"""Exit code for invalid environment variables."""

_log = logging.getLogger("exporter")


def main() -> None:
    """Run the exporter."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    ended = threading.Event()

    def end(*_: object) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        settings = load(os.environ)
    except SettingsError as error:
        _log.error("%s", error)
        sys.exit(BAD_VARIABLES)
    checks = checks_of(settings)
    collector = PlatformCollector(checks, settings.brokers)
    application = server.application(collector, lambda: all(check.alive for check in checks.all()))
    try:
        http = server.listen(settings.port, application)
    except OSError as error:
        _log.error("cannot listen on METRICS_PORT %d: %s", settings.port, error)
        sys.exit(1)
    for check in checks.all():
        check.start()
    threading.Thread(target=http.serve_forever, name="http", daemon=True).start()
    _log.info("serving metrics at :%d%s, checking every %g s", settings.port, server.METRICS, settings.interval)
    ended.wait()
    logging.shutdown()
    os._exit(0)  # running checks hold nothing to clean up, so there is no need to wait for them


def checks_of(settings: Settings) -> Checks:
    """The checks, not started yet."""
    security = None if settings.login_file is None else Security(**json.loads(settings.login_file.read_text()))
    kafka = KafkaCheck(settings.bootstrap, settings.brokers, settings.minimum_in_sync, security)
    redis = RedisCheck(settings.redis, settings.redis_password_file)
    return Checks(
        kafka=PeriodicCheck("kafka", kafka.run, settings.interval),
        groups=PeriodicCheck("groups", GroupsCheck(settings.bootstrap, security).run, settings.interval),
        zookeeper=PeriodicCheck("zookeeper", ZooKeeperCheck(settings.zookeeper).run, settings.interval),
        redis=PeriodicCheck("redis", redis.run, settings.interval),
    )


if __name__ == "__main__":
    main()
