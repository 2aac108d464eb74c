"""What ZooKeeper and Kafka servers share: logging, name cache and environment.

Source: components/server.py.
"""

import javaproperties

from components.server import java_files


def test_logs_go_only_to_standard_output() -> None:
    (text,) = (str(file.content) for file in java_files() if file.path == "/etc/millrace/log4j.properties")
    entries = javaproperties.loads(text)
    level, *appenders = [part.strip() for part in entries["log4j.rootLogger"].split(",")]
    assert (level, appenders) == ("INFO", ["stdout"])
    assert entries["log4j.appender.stdout"] == "org.apache.log4j.ConsoleAppender"
