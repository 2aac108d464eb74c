"""Which images run, and what things are called."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import naming
from components.errors import SettingsError
from components.images import KAFKA_VERSION, SETS
from components.naming import member_name, platform_name, qualified
from components.stack_file.images import VARIABLE, Images, choose_images
from components.stack_file.settings import load_settings


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
def test_the_stack_file_decides_before_the_variable_and_the_variable_before_the_default(
    declared: dict[str, Any], environment: dict[str, str], name: str, reason: str
) -> None:
    images = chosen(declared, environment)
    assert (images.chosen, images.reason) == (name, reason)
    servers = {"zookeeper": images.zookeeper, "kafka": images.kafka, "redis": images.redis}
    assert servers.items() <= SETS[name].items()


@pytest.mark.parametrize("section", ["zookeeper", "kafka", "redis"])
@pytest.mark.parametrize("environment", [{}, {VARIABLE: "local"}])
@pytest.mark.parametrize("images", ["auto", "public", "local"])
def test_a_sections_own_image_goes_before_any_set_and_leaves_the_others(
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


def test_the_line_for_the_output_names_each_image_once() -> None:
    assert str(chosen({}, {VARIABLE: "local"})) == (
        f"local images (MILLRACE_IMAGES): millrace/kafka:{KAFKA_VERSION}, millrace/redis:7.0"
    )
    assert str(chosen({}, {})) == f"public images (the default): apache/kafka:{KAFKA_VERSION}, redis:7.2.16"
    assert str(chosen({"zookeeper": {"image": "a:1"}, "kafka": {"image": "b:2"}}, {})) == (
        "public images (the default): a:1, b:2, redis:7.2.16"
    )


def test_local_images_carry_our_own_name() -> None:
    for server, reference in SETS["local"].items():
        assert reference.startswith("millrace/"), f"{server}: a local build must never pass for a public project's"
    assert not any(reference.startswith("millrace/") for reference in SETS["public"].values())


@pytest.mark.parametrize("name", ["public", "local"])
def test_every_image_has_an_exact_version(name: str) -> None:
    for reference in SETS[name].values():
        repository, _, tag = reference.partition(":")
        assert repository
        assert re.fullmatch(r"v?\d+(\.\d+)+", tag), f"{reference}: a moving tag such as latest changes under a stack"


def test_a_set_lacks_what_it_cannot_have() -> None:
    assert SETS["public"].get("exporter") is None, "nobody publishes it"
    assert SETS["local"].get("grafana") is None, "no package registry has it"
    assert all({"zookeeper", "kafka", "redis", "prometheus"} <= references.keys() for references in SETS.values())


def test_zookeeper_runs_from_the_same_image_as_kafka() -> None:
    for references in SETS.values():
        assert references["zookeeper"] == references["kafka"], "the distribution's start script and classes are used"
    assert KAFKA_VERSION.startswith("3."), "Kafka 4 has no ZooKeeper"


@pytest.mark.parametrize(
    ("project", "stack", "name"),
    [
        ("millrace", "dev", "millrace-dev"),
        ("millrace", "staging-2", "millrace-staging-2"),
        ("m", "1", "m-1"),
        ("millrace", "x" * 31, "millrace-" + "x" * 31),
    ],
)
def test_a_platform_is_named_after_project_and_stack(project: str, stack: str, name: str) -> None:
    assert platform_name(project, stack) == name


@pytest.mark.parametrize(
    ("project", "stack"),
    [
        ("Millrace", "dev"),
        ("millrace", "Dev"),
        ("millrace", "dev_1"),
        ("millrace", "dev.1"),
        ("millrace", "org/dev"),
        ("millrace", "größe"),
        ("millrace", "dev\n"),
        ("millrace", ""),
        ("millrace", "-dev"),
        ("millrace", "dev-"),
        ("millrace", "a--b"),
        ("1millrace", "dev"),
        ("", "dev"),
        ("millrace", "x" * 32),
    ],
)
def test_a_name_that_cannot_be_part_of_a_host_name_is_refused(project: str, stack: str) -> None:
    with pytest.raises(SettingsError) as caught:
        platform_name(project, stack)
    assert caught.value.headline == f'the stack\'s name gives "{project}-{stack}", which cannot be part of a host name'
    assert caught.value.problems == ("use lower-case letters, digits and single dashes, 40 characters at most",)


@given(stack=st.text(alphabet="abz019-_.A", max_size=36))
def test_every_accepted_platform_makes_members_that_are_dns_labels(stack: str) -> None:
    try:
        platform = platform_name("millrace", stack)
    except SettingsError:
        assert not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", stack) or len(stack) > 31, "refused without a reason"
        return
    name = qualified(platform, member_name("zookeeper", 99_999))
    assert len(name) <= 63, "RFC 1035"
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name)


def test_members_and_what_is_on_an_engine_are_named_in_one_way() -> None:
    assert member_name("kafka", 0) == "kafka-0"
    assert qualified("millrace-dev", "kafka-0") == "millrace-dev-kafka-0"


def test_labels_keep_their_names() -> None:
    """Other tools look things up by these labels, so changing one orphans what runs."""
    assert naming.PLATFORM_LABEL == "millrace.platform"
    assert naming.MEMBER_LABEL == "millrace.member"
