"""The provider's configuration."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from plugin_protocol.failures import not_implemented

_SWITCHES = {
    "deleteUnreachable": "PULUMI_K8S_DELETE_UNREACHABLE",
    "enableConfigMapMutable": "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
    "enablePatchForce": "PULUMI_K8S_ENABLE_PATCH_FORCE",
    "enableSecretMutable": "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
    "enableServerSideApply": "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY",
    "suppressDeprecationWarnings": "PULUMI_K8S_SUPPRESS_DEPRECATION_WARNINGS",
    "suppressHelmHookWarnings": "PULUMI_K8S_SUPPRESS_HELM_HOOK_WARNINGS",
    "upsertExistingObjects": "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
}
_TEXTS = ("kubeconfig", "context", "cluster", "namespace", "clusterIdentifier")
_OF_THE_ENGINE = frozenset({"version", "pluginDownloadURL", "pluginChecksums"})
_PREFIX = "kubernetes:config:"


@dataclass(frozen=True)
class Settings:
    """The configuration of an explicit provider or of the stack (``kubernetes:``)."""

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    namespace: str = ""
    delete_unreachable: bool = False
    mutable_config_maps: bool = False
    mutable_secrets: bool = False
    patch_force: bool = False
    upsert: bool = False


def rejections(given: Mapping[str, object]) -> dict[str, str]:
    """Why settings are rejected, by name."""
    known = {*_SWITCHES, *_TEXTS, *_OF_THE_ENGINE}
    reasons = {key: not_implemented(key) for key in given if key not in known and not key.startswith("__")}
    if str(given.get("enableServerSideApply", "true")).lower() == "false":
        reasons["enableServerSideApply"] = "this stand-in provider implements server-side apply only"
    return reasons


def parse(variables: Mapping[str, str]) -> Settings:
    """The settings in a Configure call's variables; environment variables set missing switches."""
    given = {key.removeprefix(_PREFIX): value for key, value in variables.items()}

    def on(switch: str) -> bool:
        return given.get(switch, os.environ.get(_SWITCHES[switch], "")).lower() == "true"

    return Settings(
        kubeconfig=given.get("kubeconfig", ""),
        context=given.get("context", ""),
        cluster=given.get("cluster", ""),
        namespace=given.get("namespace", ""),
        delete_unreachable=on("deleteUnreachable"),
        mutable_config_maps=on("enableConfigMapMutable"),
        mutable_secrets=on("enableSecretMutable"),
        patch_force=on("enablePatchForce"),
        upsert=on("upsertExistingObjects"),
    )
