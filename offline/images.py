"""Local images, built from packages alone."""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.images import KAFKA_VERSION, SETS
from offline import toolchain
from offline.steps import (
    CACHE,
    PROJECT,
    VENV,
    SetupError,
    built_folder,
    digest,
    install_packages,
    install_python,
    run,
    step,
    succeeds,
)

BASE = "millrace/debian:bookworm"
_LABEL = "millrace.sources"
_IMAGES = PROJECT / "images"
_KAFKA = _IMAGES / "kafka"
_EXPORTER = _IMAGES / "exporter"


@dataclass(frozen=True)
class Recipe:
    """How to build one image.

    Args:
        image: Its name and tag.
        dockerfile: Path of its Dockerfile.
        sources: All files and folders that it is built from; changes to them rebuild it.
        fill: Adds the files that the Dockerfile copies to the build context.
    """

    image: str
    dockerfile: Path
    sources: tuple[Path, ...]
    fill: Callable[[Path], None]


def recipes() -> list[Recipe]:
    """All local images."""
    local = SETS["local"]
    exporter = copied_files(_EXPORTER / "Dockerfile")
    return [
        Recipe(local["kafka"], _KAFKA / "Dockerfile", (_KAFKA,), _fill_kafka),
        Recipe(local["redis"], _IMAGES / "redis" / "Dockerfile", (_IMAGES / "redis",), _fill_nothing),
        Recipe(
            local["exporter"],
            _EXPORTER / "Dockerfile",
            (_EXPORTER / "Dockerfile", _EXPORTER / "requirements.txt", PROJECT / "constraints.txt", *exporter),
            _fill_exporter,
        ),
        Recipe(local["prometheus"], _IMAGES / "prometheus" / "Dockerfile", (_IMAGES / "prometheus",), _fill_nothing),
    ]


def ensure_images() -> None:
    """Build images that are missing or out of date."""
    for recipe in recipes():
        sources = digest(*recipe.sources)
        if built_from(recipe.image) == sources:
            continue
        ensure_base()
        context = CACHE / "image-context" / recipe.dockerfile.parent.name
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir(parents=True)
        shutil.copy(recipe.dockerfile, context)
        recipe.fill(context)
        with step(f"building {recipe.image}"):
            build(recipe.image, context, sources)


def built_from(image: str) -> str:
    """The digest of the sources that an image was built from; empty if there is no such image."""
    show = ["docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{_LABEL}"}}}}', image]
    return subprocess.run(show, capture_output=True, text=True, check=False).stdout.strip()


def build(image: str, context: Path, sources: str) -> None:
    """Build an image, labelled with the digest of its sources."""
    command = ["docker", "build", "--network", "host", "--build-arg", f"BASE={BASE}"]
    # The classic builder needs neither a plugin nor an image from a registry.
    environment = {"DOCKER_BUILDKIT": "0"}
    run([*command, "--label", f"{_LABEL}={sources}", "-t", image, context], log="images", environment=environment)


def ensure_base() -> None:
    """Build the Debian base image unless it exists."""
    if succeeds("docker", "image", "inspect", BASE):
        return
    if not shutil.which("debootstrap"):
        install_packages("debootstrap")
    with step(f"building {BASE} from Debian's packages (about a minute, once)"):
        root = CACHE / "debian-root"
        shutil.rmtree(root, ignore_errors=True)
        root.parent.mkdir(parents=True, exist_ok=True)
        run(["debootstrap", "--variant=minbase", "bookworm", root], log="images")
        shutil.rmtree(root / "var" / "cache" / "apt", ignore_errors=True)
        archive = subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE)
        imported = subprocess.run(
            ["docker", "import", "-", BASE], stdin=archive.stdout, capture_output=True, check=False
        )
        if archive.wait() or imported.returncode:
            succeeds("docker", "image", "rm", BASE)
            raise SetupError(f"cannot import the base image: {imported.stderr.decode(errors='replace')}")
        shutil.rmtree(root)


def copied_files(dockerfile: Path) -> list[Path]:
    """Files and folders of the project that a Dockerfile copies, without the downloaded libraries."""
    sources = re.findall(r"^COPY (.+) \S+$", dockerfile.read_text(), re.MULTILINE)
    paths = [PROJECT / word for words in sources for word in words.split()]
    return [path for path in paths if path != _EXPORTER / "libs"]


def _fill_nothing(context: Path) -> None:
    """The Dockerfile copies nothing."""


def _fill_kafka(context: Path) -> None:
    shutil.copytree(_KAFKA, context, dirs_exist_ok=True)
    shutil.copytree(_jars(f"Kafka {KAFKA_VERSION}", _KAFKA / "pom.xml"), context / "libs")
    shutil.copytree(
        _jars("the JMX agent", _KAFKA / "agent" / "pom.xml", "-Dmdep.stripVersion=true"), context / "agents"
    )


def _jars(what: str, pom: Path, *options: str) -> Path:
    """A folder with the dependencies of a pom, transitive ones included."""
    toolchain.ensure_maven()
    folder = CACHE / f"{pom.parent.name}-jars-{KAFKA_VERSION}-{digest(pom)}"
    if not folder.exists():
        with step(f"fetching {what} from Maven"), built_folder(folder) as new:
            goal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
            settings = [f"-Dkafka.version={KAFKA_VERSION}", f"-DoutputDirectory={new}", "-DincludeScope=runtime"]
            run(["mvn", "-q", "-B", "-f", pom, goal, *settings, *options], log="maven")
    return folder


def _fill_exporter(context: Path) -> None:
    """Copy the files to the same paths as in the project, so that the Dockerfile also builds from there."""
    for path in copied_files(_EXPORTER / "Dockerfile"):
        target = context / path.relative_to(PROJECT)
        if path.is_dir():
            shutil.copytree(path, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    shutil.copytree(_exporter_libraries(), context / "images" / "exporter" / "libs")


def _exporter_libraries() -> Path:
    """A folder with the exporter's libraries."""
    requirements = _EXPORTER / "requirements.txt"
    folder = CACHE / f"exporter-libs-{digest(requirements, PROJECT / 'constraints.txt')}"
    if not folder.exists():
        with step("fetching the exporter's libraries"), built_folder(folder) as new:
            options = ["--no-deps", "--no-compile", "--target", new]
            install_python(VENV, *options, "-r", requirements, log="exporter-libs")
    return folder
