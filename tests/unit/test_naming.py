"""Names and labels of everything that the platform creates.

Source: components/naming.py.
"""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import naming
from components.errors import SettingsError
from components.naming import member_name, platform_name, qualified


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
def test_member_names_of_every_accepted_platform_are_dns_labels(stack: str) -> None:
    try:
        platform = platform_name("millrace", stack)
    except SettingsError:
        assert not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", stack) or len(stack) > 31, "refused without a reason"
        return
    name = qualified(platform, member_name("zookeeper", 99_999))
    assert len(name) <= 63, "RFC 1035"
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name)


def test_members_and_engine_objects_follow_one_naming_scheme() -> None:
    assert member_name("kafka", 0) == "kafka-0"
    assert qualified("millrace-dev", "kafka-0") == "millrace-dev-kafka-0"


def test_labels_keep_their_names() -> None:
    """Other tools find running objects by these labels; after a change they would no longer find them."""
    assert naming.PLATFORM_LABEL == "millrace.platform"
    assert naming.MEMBER_LABEL == "millrace.member"
