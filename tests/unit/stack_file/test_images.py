"""Which images run: the stack file, the environment variable and the defaults.

Source: components/stack_file/images.py.
"""

from typing import Any

import pytest

from components.errors import SettingsError
from components.images import KAFKA_VERSION, SETS
from components.stack_file.images import VARIABLE, Images, choose_images
from components.stack_file.settings import load_settings
from tests.unit.monitoring.samples import WHOLE


def chosen(declared: dict[str, Any], environment: dict[str, str]) -> Images:
    """The images of a stack file in an environment."""
    return choose_images(load_settings(declared, source="Pulumi.test.yaml"), environment)


@pytest.mark.parametrize(
    ("declared", "environment", "name", "reason"),
    [
        ({}, {}, "public", "the default"),
        ({}, {VARIABLE: ""}, "public", "the default"),
        ({"images": "auto"}, {}, "public", "the default"),
        ({}, {VARIABLE: "local"}, "local", "MILLRACE_IMAGES"),
        ({}, {VARIABLE: "public"}, "public", "MILLRACE_IMAGES"),
        ({"images": "local"}, {}, "local", "millrace:images"),
        ({"images": "public"}, {VARIABLE: "local"}, "public", "millrace:images"),
        ({"images": "local"}, {VARIABLE: "public"}, "local", "millrace:images"),
        ({"images": "local"}, {VARIABLE: "nonsense"}, "local", "millrace:images"),
    ],
)
def test_the_stack_file_overrides_the_variable_and_the_variable_the_default(
    declared: dict[str, Any], environment: dict[str, str], name: str, reason: str
) -> None:
    images = chosen(declared, environment)
    assert (images.chosen, images.reason) == (name, reason)
    servers = {"zookeeper": images.zookeeper, "kafka": images.kafka, "redis": images.redis}
    assert servers.items() <= SETS[name].items()


@pytest.mark.parametrize("variable", ["local", "nonsense"])
def test_on_kubernetes_the_variable_decides_nothing(variable: str) -> None:
    cluster = {"target": "kubernetes", "kubernetes": {"context": "production"}}
    assert chosen(cluster, {VARIABLE: variable}) == chosen(cluster, {})
    assert chosen({**cluster, "images": "local"}, {VARIABLE: "public"}).chosen == "local"


@pytest.mark.parametrize("section", ["zookeeper", "kafka", "redis"])
@pytest.mark.parametrize("environment", [{}, {VARIABLE: "local"}])
@pytest.mark.parametrize("images", ["auto", "public", "local"])
def test_a_sections_own_image_overrides_any_set_for_that_section_only(
    section: str, environment: dict[str, str], images: str
) -> None:
    plain = chosen({"images": images}, environment)
    found = chosen({"images": images, section: {"image": "registry.example/own:1"}}, environment)
    references = {name: getattr(found, name) for name in ("zookeeper", "kafka", "redis")}
    others = {name: getattr(plain, name) for name in references if name != section}
    assert references == {**others, section: "registry.example/own:1"}
    assert (found.chosen, found.reason) == (plain.chosen, plain.reason)


def test_an_unknown_value_of_the_variable_is_refused() -> None:
    with pytest.raises(SettingsError) as caught:
        chosen({}, {VARIABLE: "private"})
    assert str(caught.value) == 'MILLRACE_IMAGES is "private"\n  - allowed are local and public'


def test_the_output_line_names_each_image_once() -> None:
    assert str(chosen({}, {VARIABLE: "local"})) == (
        f"local images (MILLRACE_IMAGES): millrace/kafka:{KAFKA_VERSION}, millrace/redis:7.0"
    )
    assert str(chosen({}, {})) == f"public images (the default): apache/kafka:{KAFKA_VERSION}, redis:7.2.16"
    assert str(chosen({"zookeeper": {"image": "a:1"}, "kafka": {"image": "b:2"}}, {})) == (
        "public images (the default): a:1, b:2, redis:7.2.16"
    )


def images_of(declared: dict[str, Any], chosen: str) -> Any:
    return choose_images(load_settings({**declared, "images": chosen}, source="Pulumi.test.yaml"), {})


def test_an_image_that_nobody_publishes_must_be_set() -> None:
    with pytest.raises(SettingsError) as caught:
        images_of({"monitor": {**WHOLE, "image": None, "grafana": {"enabled": True}}}, "public")
    exporter, jmx = caught.value.problems
    assert exporter.startswith(
        "monitor.image must be set: the exporter is not published. Build images/exporter, push it"
    )
    assert jmx.startswith("monitor.jmx is true, but the public Kafka image has no agent. Set kafka.image to one with")


def test_an_image_that_no_package_registry_has_must_be_set() -> None:
    with pytest.raises(SettingsError) as caught:
        images_of({"monitor": {**WHOLE, "grafana": {"enabled": True}}}, "local")
    (grafana,) = caught.value.problems
    assert grafana.startswith("monitor.grafana.image must be set: no package registry has Grafana")


def test_the_images_of_the_set_run_by_default() -> None:
    local = images_of({"monitor": {"enabled": True, "jmx": True, "prometheus": {"enabled": True}}}, "local")
    assert (local.exporter, local.prometheus, local.grafana) == (
        "millrace/exporter:0.1",
        "millrace/prometheus:2.42",
        "",
    )
    monitor = {**WHOLE, "jmx": False, "grafana": {"enabled": True}}
    public = images_of({"monitor": monitor}, "public")
    assert public.exporter == "own/exporter:1.0"
    assert (public.prometheus, public.grafana) == ("prom/prometheus:v3.5.0", "grafana/grafana:11.6.4")
    assert str(public).endswith("own/exporter:1.0, prom/prometheus:v3.5.0, grafana/grafana:11.6.4")
