"""The program keeps its layout: file names, allowed imports, names stored in states, the form of components.

Source: components/.

Each check is a function that returns the problems, so that it can be tested on a program with problems.
"""

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import pulumi
import pytest
from pulumi.dynamic import ResourceProvider

import components
from components.access.component import (
    AccessSet,
    AccessSetArgs,
    Application,
    ApplicationArgs,
    Certificates,
    CertificatesArgs,
    RedisUsers,
    RedisUsersArgs,
)
from components.health.component import HealthGate, HealthGateArgs
from components.kafka.component import KafkaCluster, KafkaClusterArgs
from components.monitoring.component import Monitor, MonitorArgs
from components.redis.component import RedisServer, RedisServerArgs
from components.safety import Safety, reference
from components.topics.component import TopicSet, TopicSetArgs
from components.zookeeper.component import ZooKeeperEnsemble, ZooKeeperEnsembleArgs

PROJECT = Path(__file__).parents[2]

PROGRAM = ("components", "ops", "exporter", "policies", "examples", "__main__.py")
"""Code that runs for a platform; setup, benchmarks and tests are not part of it."""

USUAL = {"__init__", "settings", "files", "client", "safety", "transitions", "provider", "component"}
"""The file names of every folder below ``components/``."""

FURTHER: Mapping[str, Mapping[str, str]] = {
    "access": {
        "certificates": "makes and checks certificates; neither a file of a server nor a protocol",
        "handover": "files for clients, not for servers",
        "platform": "composes access of a platform, as platform.py does all subjects",
        "redis_users": "plans and makes users of Redis, which has neither topics nor quotas",
        "rules": "what an application may do, whoever declares it",
        "scram": "users in ZooKeeper, before a broker runs that client.py could ask",
    },
    "monitoring": {
        "alerts": "the alert rules, a part of what files.py renders",
        "dashboard": "the dashboard, built by Grafana's library",
        "exporter": "a server",
        "gate": "a resource beside the component",
        "grafana": "a server",
        "panels": "what the dashboard shows, independent of Grafana",
        "prometheus": "a server",
        "promql": "pieces of queries that alerts and panels share",
        "server": "the component that all three servers are",
        "topology": "what alerts and panels know of a platform",
    },
    "redis": {
        "passwords": "a change of the password; the exporter's image has the client alone",
    },
    "stack_file": {
        "images": "the one place that chooses images",
        "interrupted": "what a killed update left in the stack's state",
        "profiles": "defaults of several subjects at once",
        "record": "what the state holds of the last update",
        "stack": "the running stack's configuration and target",
    },
    "topics": {
        "rules": "what Kafka allows of a topic, whoever declares it",
        "reassignment": "gives topics new replication factors",
    },
    "kafka": {
        "health": "what a health check finds; gates, safety and the command line share it, and the client knows none",
        "leaving": "moves all replicas off brokers, for a removal and for the command line",
        "placement": "which brokers get replicas; brokers that leave and topics that change share it",
        "reassignment": "moves replicas; brokers that leave and topics that change share it",
        "security": "who a client is to brokers; every client of the platform shares it",
    },
    "targets": {
        "base": "the interface of a target",
        "routes": "opens the route that a provider's properties describe, whichever target it is",
    },
    "targets/docker": {
        "preflight": "questions before anything is registered",
        "target": "workloads as containers",
    },
    "targets/kubernetes": {
        "access_review": "questions to the API about rights",
        "addresses": "names and addresses, without a cluster",
        "claims": "the work of a provider: volume claims",
        "kubeconfig": "contexts and credentials",
        "labels": "labels and metadata of all objects",
        "network_policies": "a part of a workload's manifests",
        "objects": "the API's answers, read",
        "pod_state": "the API's answers on pods, read",
        "pods": "a part of a workload's manifests",
        "port_forward": "one connection to a pod",
        "preflight": "questions before anything is registered",
        "prepared": "workloads as StatefulSets",
        "quantity": "quantities as Kubernetes writes them",
        "relay": "copies bytes between two connections of the tunnel",
        "rest": "requests to the API server",
        "rights": "the one list of rights: what preflight asks for and the role grants",
        "roll": "the work of a provider: restarts",
        "services": "a part of a workload's manifests",
        "socks": "the SOCKS5 protocol of the tunnel",
        "target": "where a platform runs, before anything is declared",
        "tunnel": "listeners that lead to pods",
    },
}
"""Further file names by folder, and why each is a file of its own."""

OWN_RESOURCES: Mapping[str, str] = {
    "examples/kubernetes/namespace/__main__.py": "declares a namespace with the vendor's own package, and passes it on",
}
"""Modules outside the targets that declare other resources than a target does."""

GATHERING: Mapping[str, str] = {
    "ops/drills/faults/__init__.py": "each fault by its kind",
    "policies/rules/__init__.py": "all rules in their order",
}
"""Packages that re-export definitions of their modules; all others are empty."""

PROVIDERS = [
    "components.access.provider:AccessSetProvider",
    "components.access.provider:BrokerUsersProvider",
    "components.access.provider:CertificatesProvider",
    "components.access.provider:RedisUsersProvider",
    "components.credentials.provider:CredentialsProvider",
    "components.health.provider:HealthGateProvider",
    "components.monitoring.provider:MonitorGateProvider",
    "components.redis.provider:RedisPasswordsProvider",
    "components.targets.docker.provider:MemberExitProvider",
    "components.targets.docker.provider:MemberGateProvider",
    "components.targets.docker.provider:MemberSetProvider",
    "components.targets.kubernetes.provider:GatedRollProvider",
    "components.targets.kubernetes.provider:MemberStorageProvider",
    "components.targets.kubernetes.provider:NamespaceRemovalProvider",
    "components.topics.provider:TopicSetProvider",
]
"""Dynamic providers by their names in the states of stacks. ``destroy`` cannot load a moved provider."""

SAFETY_CLASSES = [
    "components.kafka.safety:BrokerSafety",
    "components.safety:Safety",
    "components.zookeeper.safety:EnsembleSafety",
]
"""Safety classes by their names in the properties of gates, rolls and storage."""

COMPONENTS: Sequence[tuple[type, type]] = [
    (ZooKeeperEnsemble, ZooKeeperEnsembleArgs),
    (KafkaCluster, KafkaClusterArgs),
    (RedisServer, RedisServerArgs),
    (TopicSet, TopicSetArgs),
    (HealthGate, HealthGateArgs),
    (Monitor, MonitorArgs),
    (Certificates, CertificatesArgs),
    (AccessSet, AccessSetArgs),
    (RedisUsers, RedisUsersArgs),
    (Application, ApplicationArgs),
]


def modules(root: Path, parts: Sequence[str] = PROGRAM) -> Iterator[tuple[str, ast.Module]]:
    """The Python files of a program: syntax trees by path from its root."""
    for part in parts:
        place = root / part
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            name = path.relative_to(root)
            if path.exists() and not any(piece.startswith((".", "venv")) for piece in name.parts):
                yield str(name), ast.parse(path.read_text())


def subclasses(base: type) -> Iterator[type]:
    """All classes derived from a given class."""
    for derived in base.__subclasses__():
        yield derived
        yield from subclasses(derived)


# The checks


def stray_files(root: Path) -> list[str]:
    """Files in folders of ``components/`` with a name that is neither usual nor listed."""
    stray: list[str] = []
    for path in sorted((root / "components").glob("*/**/*.py")):
        room = str(path.parent.relative_to(root / "components"))
        if path.stem not in USUAL | FURTHER.get(room, {}).keys():
            stray.append(f"components/{room}/{path.name}")
    return stray


def names_in_states(base: type) -> list[str]:
    """Importable names of the program's classes derived from a given class."""
    return sorted({f"{cls.__module__}:{cls.__qualname__}" for cls in subclasses(base) if _is_of_program(cls)})


def _is_of_program(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "components"


def provider_imports(root: Path) -> list[str]:
    """Modules outside the targets that import a resource provider's package."""
    return [
        f"{path} imports {package}"
        for path, tree in modules(root)
        if not path.startswith("components/targets/") and path not in OWN_RESOURCES
        for package in sorted(_imports(tree) & {"pulumi_docker", "pulumi_kubernetes"})
    ]


def _imports(tree: ast.Module) -> set[str]:
    """Top-level packages that a module imports, at any place in it."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def packages_with_content(root: Path) -> list[str]:
    """Packages whose ``__init__.py`` holds more than a docstring, except those that re-export."""
    return [
        path
        for path, tree in modules(root)
        if path.endswith("__init__.py") and path not in GATHERING and not all(map(_is_text, tree.body))
    ]


def without_docstring(root: Path) -> list[str]:
    """Modules that do not start with a docstring."""
    return [path for path, tree in modules(root) if not ast.get_docstring(tree)]


def signature_problems(component: type, args: type) -> list[str]:
    """Why a class is not a component that takes (name, args, opts)."""
    expected = {"name": str, "args": args, "opts": pulumi.ResourceOptions | None, "return": type(None)}
    constructor: Any = component.__init__
    parameters = list(inspect.signature(constructor).parameters.values())[1:]
    problems: list[str] = []
    if [parameter.name for parameter in parameters] != ["name", "args", "opts"]:
        problems.append(f"takes {[parameter.name for parameter in parameters]}")
    elif parameters[2].default is not None:
        problems.append("opts is required")
    if get_type_hints(constructor) != expected:
        problems.append("parameters have other types than str, its arguments and ResourceOptions | None")
    return problems


def args_problems(args: type) -> list[str]:
    """Why a class is not a frozen, keyword-only dataclass with typed and described fields."""
    if not dataclasses.is_dataclass(args):
        return ["is no dataclass"]
    # pulumi.Input refers to Output by a string, which resolves in its own module only.
    fields, types = dataclasses.fields(args), get_type_hints(args, localns=vars(pulumi.output))
    problems = [] if args.__dataclass_params__.frozen else ["is not frozen"]  # type: ignore[attr-defined]
    problems += [f"{field.name} is positional" for field in fields if not field.kw_only]
    problems += [f"{field.name} has no type" for field in fields if types[field.name] in (Any, object)]
    text = inspect.getdoc(args) or ""
    problems += [
        f"{field.name} is not described" for field in fields if not re.search(rf"^ +{field.name}: ", text, re.M)
    ]
    return problems


def output_problems(component: type) -> list[str]:
    """Public attributes of a class that it does not declare with a type and a docstring."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(component))).body
    assert isinstance(tree, ast.ClassDef)
    declared = {
        statement.target.id: _is_text(following)
        for statement, following in zip(tree.body, [*tree.body[1:], None], strict=True)
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }
    assigned = {name for name in map(_own_attribute, ast.walk(tree)) if name and not name.startswith("_")}
    problems = [f"{name} has no docstring" for name, described in declared.items() if not described]
    return problems + [f"{name} is not declared" for name in sorted(assigned - declared.keys())]


def _own_attribute(node: ast.AST) -> str | None:
    """The attribute of ``self`` that a node sets, if any."""
    match node:
        case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
            return name
    return None


def _is_text(statement: ast.stmt | None) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


# The program passes the checks


@pytest.fixture(scope="module")
def _all_imported() -> None:
    for module in pkgutil.walk_packages(components.__path__, "components."):
        importlib.import_module(module.name)


def test_folders_hold_only_files_with_known_names() -> None:
    assert stray_files(PROJECT) == [], "give a file one of the usual names, or list its name and the reason in FURTHER"


@pytest.mark.usefixtures("_all_imported")
def test_dynamic_providers_keep_the_names_of_existing_states() -> None:
    assert names_in_states(ResourceProvider) == PROVIDERS


@pytest.mark.usefixtures("_all_imported")
def test_safety_classes_keep_the_names_of_existing_states() -> None:
    assert sorted([reference(Safety), *names_in_states(Safety)]) == SAFETY_CLASSES


def test_only_targets_import_resource_providers() -> None:
    assert provider_imports(PROJECT) == []


def test_packages_hold_only_a_docstring() -> None:
    assert packages_with_content(PROJECT) == []


def test_modules_start_with_a_docstring() -> None:
    assert without_docstring(PROJECT) == []


@pytest.mark.parametrize(("component", "args"), COMPONENTS)
def test_components_have_the_same_form(component: type, args: type) -> None:
    assert issubclass(component, pulumi.Resource)
    assert signature_problems(component, args) == []
    assert args_problems(args) == []
    assert output_problems(component) == []


def test_the_architecture_page_names_every_folder_and_file_of_the_components() -> None:
    page = (PROJECT / "docs" / "ARCHITECTURE.md").read_text()
    rooms = {path.parent for path in (PROJECT / "components").glob("*/**/__init__.py")}
    named = {f"{room.relative_to(PROJECT / 'components')}/" for room in rooms}
    named |= {path.name for path in (PROJECT / "components").glob("*.py") if path.stem != "__init__"}
    assert [name for name in sorted(named) if f"`{name}`" not in page] == []


# Each check can fail


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A small program without problems."""
    for place in ("components", "components/kafka", "components/targets", "components/targets/docker", "ops"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "__init__.py").write_text('"""A package."""\n')
    (tmp_path / "components/kafka/client.py").write_text('"""A client."""\n\nimport kafka\n')
    (tmp_path / "components/targets/docker/target.py").write_text('"""A target."""\n\nimport pulumi_docker\n')
    (tmp_path / "__main__.py").write_text('"""The program."""\n')
    return tmp_path


def test_a_program_without_problems_passes(program: Path) -> None:
    assert len(list(modules(program))) == 8
    for check in (stray_files, provider_imports, packages_with_content, without_docstring):
        assert check(program) == []


@pytest.mark.parametrize(
    "path", ["components/kafka/utils.py", "components/kafka/target.py", "components/mirror/sync.py"]
)
def test_a_file_with_an_unknown_name_is_found(program: Path, path: str) -> None:
    (program / path).parent.mkdir(exist_ok=True)
    (program / path).write_text('"""A module."""\n')
    assert stray_files(program) == [path]


@pytest.mark.parametrize(
    ("path", "line", "package"),
    [
        pytest.param("components/kafka/component.py", "import pulumi_docker as docker", "pulumi_docker", id="subject"),
        pytest.param("ops/__main__.py", "from pulumi_kubernetes.core import v1", "pulumi_kubernetes", id="submodule"),
        pytest.param("__main__.py", "def late():\n    import pulumi_docker", "pulumi_docker", id="in-a-function"),
        pytest.param("examples/alone/__main__.py", "import os, pulumi_docker", "pulumi_docker", id="example"),
        pytest.param("components/targets.py", "import pulumi_docker", "pulumi_docker", id="beside-the-targets"),
    ],
)
def test_an_import_of_a_resource_provider_is_found(program: Path, path: str, line: str, package: str) -> None:
    (program / path).parent.mkdir(parents=True, exist_ok=True)
    (program / path).write_text(f'"""A module."""\n\n{line}\n')
    assert provider_imports(program) == [f"{path} imports {package}"]


@pytest.mark.parametrize("content", ["from components.kafka import client", "NAME = 'kafka'", "1 + 1"])
def test_a_package_with_code_is_found(program: Path, content: str) -> None:
    (program / "components/kafka/__init__.py").write_text(f'"""A package."""\n\n{content}\n')
    assert packages_with_content(program) == ["components/kafka/__init__.py"]


@pytest.mark.parametrize("content", ["", "# A comment\n", 'NAME = "kafka"\n"""The name."""\n'])
def test_a_module_without_a_docstring_is_found(program: Path, content: str) -> None:
    (program / "components/kafka/client.py").write_text(content)
    assert without_docstring(program) == ["components/kafka/client.py"]


def test_a_new_or_moved_class_changes_the_names_in_states() -> None:
    class Base:
        pass

    class Provider(Base):
        pass

    class Derived(Provider):
        pass

    assert names_in_states(Base) == [], "classes of tests do not count"
    Derived.__module__, Derived.__qualname__ = "components.elsewhere", "Derived"
    assert names_in_states(Base) == ["components.elsewhere:Derived"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class GoodArgs:
    """Arguments.

    Args:
        image: What runs.
    """

    image: str


class GoodComponent:
    address: str
    """Where it is."""

    def __init__(self, name: str, args: GoodArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        self.address = self._name = name


@dataclasses.dataclass
class BadArgs:
    """Arguments.

    Args:
        image: What runs.
    """

    image: str
    target: Any


class BadComponent:
    address: str

    def __init__(self, name: str, opts: pulumi.ResourceOptions, args: GoodArgs) -> None:
        self.address = self.password = name


class UntypedComponent:
    def __init__(self, name, args, opts) -> None:
        pass


def test_the_form_of_a_component_is_checked() -> None:
    assert (
        signature_problems(GoodComponent, GoodArgs) == args_problems(GoodArgs) == output_problems(GoodComponent) == []
    )
    types = "parameters have other types than str, its arguments and ResourceOptions | None"
    assert signature_problems(BadComponent, GoodArgs) == ["takes ['name', 'opts', 'args']", types]
    assert signature_problems(UntypedComponent, GoodArgs) == ["opts is required", types]
    assert signature_problems(GoodComponent, BadArgs) == [types]
    assert args_problems(BadComponent) == ["is no dataclass"]
    assert args_problems(BadArgs) == [
        "is not frozen",
        "image is positional",
        "target is positional",
        "target has no type",
        "target is not described",
    ]
    assert output_problems(BadComponent) == ["address has no docstring", "password is not declared"]
