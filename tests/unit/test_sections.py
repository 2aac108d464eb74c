"""Settings sections for programs without a stack file.

Source: components/sections.py.
"""

from datetime import timedelta

import pytest

from components.errors import SettingsError
from components.health.settings import HealthSettings
from components.kafka.settings import KafkaSettings
from components.monitoring.settings import MonitorSettings
from components.redis.settings import RedisSettings
from components.sections import Section
from components.stack_file.profiles import PROFILES
from components.topics.settings import TopicSettings
from components.zookeeper.settings import ZooKeeperSettings
from tests.unit.stack_files import MIB, NO_SIZE, loaded, unknown

SECTIONS: dict[str, type[Section]] = {
    "zookeeper": ZooKeeperSettings,
    "kafka": KafkaSettings,
    "redis": RedisSettings,
    "monitor": MonitorSettings,
    "health": HealthSettings,
}


@pytest.mark.parametrize("profile", sorted(PROFILES))
@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_a_section_has_the_same_defaults_as_a_stack_file_with_its_profile(section: str, profile: str) -> None:
    assert SECTIONS[section].of(profile) == getattr(loaded({"profile": profile}), section)


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_a_section_without_a_profile_has_the_light_profile(section: str) -> None:
    assert SECTIONS[section].of() == SECTIONS[section].of("light")


def test_the_defaults_of_brokers_differ_between_profiles() -> None:
    found = {profile: KafkaSettings.of(profile) for profile in PROFILES}
    assert {profile: (item.replicas, item.min_in_sync_replicas, item.port) for profile, item in found.items()} == {
        "light": (1, 1, 9092),
        "ha": (3, 2, 19092),
        "production": (3, 2, 30092),
    }


def test_settings_by_field_name_override_the_defaults() -> None:
    settings = KafkaSettings.of("ha", retention="36h", min_in_sync_replicas=1, config={"message.max.bytes": 5})
    assert (settings.retention, settings.min_in_sync_replicas) == (timedelta(hours=36), 1)
    assert settings.config == {"message.max.bytes": "5", "zookeeper.session.timeout.ms": "6000"}, "merged key by key"
    assert settings.replicas == 3


def test_a_setting_may_have_its_name_in_the_stack_file() -> None:
    assert KafkaSettings.of("ha", minInSyncReplicas=1) == KafkaSettings.of("ha", min_in_sync_replicas=1)
    nested = MonitorSettings.of("ha", enabled=True, prometheus={"enabled": True, "retentionSize": "1MiB"})
    assert (nested.prometheus.retention_size, nested.prometheus.port) == (MIB, 19091)


def test_a_section_without_profiles_accepts_any_profile() -> None:
    assert TopicSettings.of(name="orders", partitions=3) == TopicSettings.of("ha", name="orders", partitions=3)


def test_all_mistakes_are_reported_in_one_error() -> None:
    with pytest.raises(SettingsError) as caught:
        KafkaSettings.of("ha", replicas="three", retention_bytes="lots", retnetion="7d")
    assert caught.value.headline == "KafkaSettings: 3 mistakes"
    assert set(caught.value.problems) == {
        'replicas is "three": must be a whole number',
        f'retentionBytes is "lots": {NO_SIZE}',
        unknown("retnetion", KafkaSettings, ' Did you mean "retention"?'),
    }


def test_rules_between_settings_apply_without_a_stack_file() -> None:
    with pytest.raises(SettingsError) as caught:
        KafkaSettings.of(replication_factor=2, min_in_sync_replicas=3)
    assert str(caught.value) == (
        "KafkaSettings: 2 mistakes\n"
        "  - replicationFactor 2 is above replicas 1\n"
        "  - minInSyncReplicas 3 is above replicationFactor 2"
    )


def test_a_message_about_a_password_does_not_contain_it() -> None:
    with pytest.raises(SettingsError) as caught:
        RedisSettings.of(authentication=True, password=["hunter2"])
    assert str(caught.value) == "RedisSettings: 1 mistake\n  - password is (a secret): must be text"


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(SettingsError) as caught:
        KafkaSettings.of("lite")
    assert str(caught.value) == (
        'KafkaSettings: 1 mistake\n  - profile is "lite": allowed are light, ha, production. Did you mean "light"?'
    )
