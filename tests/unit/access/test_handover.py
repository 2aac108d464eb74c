"""What an application gets to connect.

Source: components/access/handover.py.
Proof limit: an independent reader of properties files stands for Java's; no client connects.
"""

import json
import subprocess
from dataclasses import replace

import javaproperties
import pytest

from components.access.handover import Handover, dotenv
from components.kafka.security import login_line

PEM = "-----BEGIN CERTIFICATE-----\nMIIB+/=\n-----END CERTIFICATE-----\n"
HANDOVER = Handover(bootstrap="a:1,b:2", user="billing", password="pass-_1", authorities=PEM)
LOGIN = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="billing" password="pass-_1";'
JAVA = {
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.jaas.config": LOGIN,
    "ssl.truststore.type": "PEM",
    "ssl.truststore.certificates": PEM,
}


def test_java_clients_read_these_properties() -> None:
    assert javaproperties.loads(HANDOVER.client_properties()) == {"bootstrap.servers": "a:1,b:2", **JAVA}


def test_spring_reads_these_lines() -> None:
    assert javaproperties.loads(HANDOVER.spring()) == {
        "spring.kafka.bootstrap-servers": "a:1,b:2",
        **{f"spring.kafka.properties.{key}": value for key, value in JAVA.items()},
    }


def test_librdkafka_reads_this_json() -> None:
    assert json.loads(HANDOVER.librdkafka()) == {
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "SASL_SSL",
        "sasl.mechanisms": "SCRAM-SHA-512",
        "sasl.username": "billing",
        "sasl.password": "pass-_1",
        "ssl.ca.pem": PEM,
    }


def test_a_shell_reads_the_variables_with_their_line_breaks() -> None:
    script = f'{dotenv(HANDOVER.variables())}\nprintf "%s|" "$KAFKA_BOOTSTRAP_SERVERS" "$KAFKA_USERNAME" "$KAFKA_CA"'
    found = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert found == f"a:1,b:2|billing|{PEM}|"


@pytest.mark.parametrize(("password", "written"), [('a"b', r"a\"b"), ("a\\", r"a\\"), ("a;b", "a;b")])
def test_a_password_ends_where_it_ends(password: str, written: str) -> None:
    assert login_line("u", password).endswith(f'username="u" password="{written}";')


def test_no_text_of_a_handover_shows_the_password() -> None:
    assert repr(HANDOVER) == "Handover(bootstrap='a:1,b:2', user='billing', redis=None)"


def test_an_application_with_keys_gets_the_address_of_redis_with_its_own_user() -> None:
    assert "REDIS_URL" not in HANDOVER.variables()
    variables = replace(HANDOVER, password="p@ss/1", redis="redis-0:6379").variables()
    assert variables["REDIS_URL"] == "redis://billing:p%40ss%2F1@redis-0:6379/0"
