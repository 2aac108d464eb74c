"""Schemas for kubeconform, from a few definitions as an API server publishes them.

Source: tests/schemas.py.
Proof limit: kubeconform does not run; tests/cluster runs it with all definitions of a real API server.
"""

import re
from typing import Any

import pytest

from tests.schemas import schemas

QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"


def kind(group: str, version: str, name: str) -> dict[str, Any]:
    return {"x-kubernetes-group-version-kind": [{"group": group, "version": version, "kind": name}]}


def reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/definitions/{name}"}


OPENAPI = {
    "definitions": {
        "Meta": {"type": "object", "properties": {"name": {"type": "string"}, "owner": reference("Meta")}},
        "Budget": {
            **kind("policy", "v1", "Budget"),
            "type": "object",
            "description": "words",
            "required": ["spec"],
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": reference("Meta"),
                "spec": reference("Spec"),
            },
        },
        "Spec": {
            "type": "object",
            "properties": {
                "description": {"type": "string", "description": "a field of this name"},
                "most": reference(INT_OR_STRING),
                "sizes": {"type": "object", "additionalProperties": reference(QUANTITY)},
                "steps": {"type": "array", "items": {"type": "object", "properties": {"x-y": {"type": "integer"}}}},
                "free": {
                    "type": "object",
                    "properties": {"known": {"type": "string"}},
                    "x-kubernetes-preserve-unknown-fields": True,
                },
            },
        },
        "Pod": {**kind("", "v1", "Pod"), "type": "object", "properties": {"metadata": reference("Meta")}},
        "DeleteOptions": {
            "x-kubernetes-group-version-kind": [
                {"group": group, "version": "v1", "kind": "DeleteOptions"} for group in ("", "apps")
            ],
            "type": "object",
            "properties": {"kind": {"type": "string"}},
        },
        "Unused": {"type": "object", "properties": {}},
        QUANTITY: {"type": "string"},
        INT_OR_STRING: {"type": "string", "format": "int-or-string"},
    }
}


@pytest.fixture(scope="module")
def budget() -> dict[str, Any]:
    return schemas(OPENAPI)["budget-policy-v1.json"]


def test_each_kind_that_can_be_applied_gets_a_file_with_the_name_that_kubeconform_expects() -> None:
    assert set(schemas(OPENAPI)) == {"budget-policy-v1.json", "pod-v1-v1.json"}


def test_a_schema_accepts_only_its_own_kind(budget: dict[str, Any]) -> None:
    assert budget["properties"]["apiVersion"] == {"enum": ["policy/v1"]}
    assert budget["properties"]["kind"] == {"enum": ["Budget"]}
    assert budget["required"] == ["apiVersion", "kind", "metadata", "spec"]
    assert schemas(OPENAPI)["pod-v1-v1.json"]["properties"]["apiVersion"] == {"enum": ["v1"]}


def test_a_schema_holds_exactly_the_definitions_that_it_refers_to(budget: dict[str, Any]) -> None:
    assert set(budget["definitions"]) == {"Meta", "Spec", QUANTITY, INT_OR_STRING}


def test_unknown_fields_are_rejected_unless_the_definition_allows_them(budget: dict[str, Any]) -> None:
    spec = budget["definitions"]["Spec"]
    assert budget["additionalProperties"] is False
    assert spec["additionalProperties"] is False
    assert spec["properties"]["steps"]["items"]["additionalProperties"] is False
    assert "additionalProperties" not in spec["properties"]["free"]
    assert spec["properties"]["sizes"]["additionalProperties"] == reference(QUANTITY)


def test_fields_keep_their_names_even_if_these_are_schema_keywords(budget: dict[str, Any]) -> None:
    spec = budget["definitions"]["Spec"]
    assert spec["properties"]["description"] == {"type": "string"}
    assert "x-y" in spec["properties"]["steps"]["items"]["properties"]
    assert "description" not in budget, "descriptions need no validation"


def test_a_number_or_text_may_be_either(budget: dict[str, Any]) -> None:
    assert budget["definitions"][INT_OR_STRING] == {"type": ["string", "integer"]}


@pytest.mark.parametrize("text", ["1", "100Mi", "1.5Gi", "250m", "0.5", ".5", "1e3", "+1", "12E", "100k"])
def test_quantities_are_accepted(budget: dict[str, Any], text: str) -> None:
    assert re.search(budget["definitions"][QUANTITY]["pattern"], text)


@pytest.mark.parametrize("text", ["", "Mi", "100MB", "1 Gi", "1gi", "100MiB", "one"])
def test_other_values_are_not_accepted_as_quantities(budget: dict[str, Any], text: str) -> None:
    assert not re.search(budget["definitions"][QUANTITY]["pattern"], text)
