"""The sets of images.

Source: components/images.py.
Proof limit: no image is pulled.
"""

import re

import pytest

from components.errors import SettingsError
from components.images import KAFKA_VERSION, SETS, VARIABLE, default_image


def test_local_images_have_the_projects_own_name() -> None:
    for server, reference in SETS["local"].items():
        assert reference.startswith("millrace/"), (
            f"{server}: a local build must not be mistaken for a public project's image"
        )
    assert not any(reference.startswith("millrace/") for reference in SETS["public"].values())


@pytest.mark.parametrize("name", ["public", "local"])
def test_every_image_has_an_exact_version(name: str) -> None:
    for reference in SETS[name].values():
        repository, _, tag = reference.partition(":")
        assert repository
        assert re.fullmatch(r"v?\d+(\.\d+)+", tag), (
            f"{reference}: a moving tag such as latest changes without an update"
        )


def test_a_set_lacks_images_that_are_unavailable() -> None:
    assert SETS["public"].get("exporter") is None, "nobody publishes it"
    assert SETS["local"].get("grafana") is None, "no package registry has it"
    assert all({"zookeeper", "kafka", "redis", "prometheus"} <= references.keys() for references in SETS.values())


def test_zookeeper_runs_from_the_same_image_as_kafka() -> None:
    for references in SETS.values():
        assert references["zookeeper"] == references["kafka"], "the distribution's start script and classes are used"
    assert KAFKA_VERSION.startswith("3."), "Kafka 4 has no ZooKeeper"


@pytest.mark.parametrize(
    ("variable", "reference"),
    [(None, f"apache/kafka:{KAFKA_VERSION}"), ("", f"apache/kafka:{KAFKA_VERSION}"), ("local", SETS["local"]["kafka"])],
)
def test_without_a_stack_file_the_variable_chooses_the_set(
    variable: str | None, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if variable is not None:
        monkeypatch.setenv(VARIABLE, variable)
    assert default_image("kafka") == reference


def test_an_image_that_the_set_lacks_has_no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "public")
    with pytest.raises(SettingsError, match='MILLRACE_IMAGES is "public", which has no image of exporter'):
        default_image("exporter")


def test_an_unknown_set_is_an_error_that_names_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "home-made")
    with pytest.raises(SettingsError) as caught:
        default_image("kafka")
    assert caught.value.problems == ("allowed are local and public",)
