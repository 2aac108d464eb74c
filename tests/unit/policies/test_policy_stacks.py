"""Whole stacks: this project's follow the rules, typical ones break the rules that they should.

Source: policies/rules/.
Proof limit: the programs run on mocks. tests/integration/test_policies.py runs them through the engine.
"""

from typing import Any

import yaml

from policies.rules import RULES
from policies.view.stack import Stack
from tests.unit.mocks import ROOT, RecordingMocks, RecordingMonitor, run_on_cluster, run_platform, settings_of
from tests.unit.policies.programs import FOLDER, GOLDEN, compose, golden_report, report, stack_of


def project_stack(name: str, **changes: Any) -> Stack:
    """A stack of this project, with some of its keys changed."""
    monitor = RecordingMonitor(RecordingMocks())
    settings = settings_of(name, **changes)
    run = run_on_cluster if settings.on_kubernetes else run_platform
    run(settings, f"millrace-{name}", monitor=monitor)
    return stack_of(monitor, name)


def test_dev_follows_all_rules() -> None:
    assert report(project_stack("dev")) == []


def test_staging_follows_all_rules() -> None:
    assert report(project_stack("staging")) == []


def test_production_follows_all_rules_and_is_advised_to_check_its_storage_class() -> None:
    (line,) = report(project_stack("prod"))
    assert line.startswith("advisory storage-class-known: MemberStorage")


OUTSIDE = {"external": "loadBalancer", "advertisedHost": "kafka-{ordinal}.example"}
APP = {"name": "billing", "produces": ["messages"], "consumes": ["dlq"], "groups": ["billing"]}


def broken_by(stack: Stack) -> list[str]:
    """The rules that a stack breaks, or that cannot be checked yet, besides that on prod's StorageClass."""
    found = {line.partition(":")[0].partition(" ")[2] for line in report(stack)}
    return sorted(found - {"storage-class-known"})


def test_brokers_that_are_open_outside_break_one_rule_on_kubernetes() -> None:
    open_outside = {**OUTSIDE, "allowInsecureExternal": True}
    assert broken_by(project_stack("prod", kafka=open_outside)) == ["exposed-listener-encrypts"]


def test_brokers_that_encrypt_follow_all_rules_outside_and_inside() -> None:
    app = {**APP, "quota": {"produce": "1MiB/s", "consume": "1MiB/s"}}
    secured = project_stack("prod", kafka=OUTSIDE, access={"enabled": True}, apps=[app])
    assert [user.name for user in secured.users] == ["billing"], "the set is read as it is declared"
    assert broken_by(secured) == []


def test_applications_of_production_should_have_limits() -> None:
    assert broken_by(project_stack("prod", access={"enabled": True}, apps=[APP])) == ["app-quota"]


def test_ports_beyond_loopback_break_the_rules_on_listeners_ports_and_passwords() -> None:
    broken = broken_by(project_stack("dev", bindAddress="0.0.0.0"))
    assert broken == ["exposed-listener-encrypts", "ports-on-loopback", "redis-password"]


def test_staging_as_production_lacks_only_protection_and_grace_periods() -> None:
    stack = project_stack("staging")
    stack.name = "prod"
    broken = {line.split(":")[0] for line in report(stack)}
    assert broken == {"mandatory volumes-protected", "mandatory grace-period"}


def test_typical_stacks_break_the_rules_in_the_report() -> None:
    assert golden_report() == GOLDEN.read_text(), "run `python -m tests.unit.policies.programs` and read the diff"


def test_a_typical_compose_file_breaks_most_docker_rules() -> None:
    broken = {line.split(":")[0].split()[-1] for line in report(compose(FOLDER / "compose.yaml", "production"))}
    assert len(broken) >= 20
    assert "advertised-listeners" in broken
    assert "health-check-can-fail" in broken


def test_no_report_reveals_a_secret() -> None:
    assert "hunter2-canary" not in golden_report()
    assert "s3cret" not in golden_report()


def test_rules_accept_an_empty_stack() -> None:
    assert [rule.evaluate(Stack([], "prod")).findings for rule in RULES] == [[]] * len(RULES)


def test_the_workflow_and_make_run_the_pack_on_every_stack_file() -> None:
    stacks = {path.stem.removeprefix("Pulumi.") for path in ROOT.glob("Pulumi.*.yaml")}
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "policies.yaml").read_text())
    assert set(workflow["jobs"]["preview"]["strategy"]["matrix"]["stack"]) == stacks
    makefile = (ROOT / "Makefile").read_text()
    recipe = makefile.split("\npolicy:")[1].split("\n\n")[0]
    assert "dev staging prod" in recipe
    assert "preview --stack $$stack --policy-pack policies" in recipe
    assert "policy analyze --stack $$stack --policy-pack policies" in recipe
    assert " policy " in makefile.split("\ntest:")[1].splitlines()[0]
