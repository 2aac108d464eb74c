"""The images that packages alone can build, under our own names."""

import shutil
import subprocess
from pathlib import Path

from components.image_sets import KAFKA_VERSION, SETS
from offline import toolchain
from offline.steps import CACHE, PROJECT, SetupError, digest, install_packages, run, step

KAFKA = SETS["local"]["kafka"]
REDIS = SETS["local"]["redis"]
BASE = "millrace/debian:bookworm"
_LABEL = "millrace.sources"
_SOURCES = PROJECT / "images"


def ensure_images() -> None:
    """Build what is missing or was built from other sources."""
    kafka, redis = digest(_SOURCES / "kafka"), digest(_SOURCES / "redis")
    if built_from(KAFKA) != kafka:
        ensure_base()
        jars = _kafka_jars()
        with step(f"building {KAFKA}"):
            context = CACHE / "kafka-context"
            shutil.rmtree(context, ignore_errors=True)
            shutil.copytree(_SOURCES / "kafka", context)
            shutil.copytree(jars, context / "libs")
            build(KAFKA, context, kafka)
    if built_from(REDIS) != redis:
        ensure_base()
        with step(f"building {REDIS}"):
            build(REDIS, _SOURCES / "redis", redis)


def built_from(image: str) -> str:
    """The digest of the sources that an image was built from; empty where there is no such image."""
    show = ["docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{_LABEL}"}}}}', image]
    return subprocess.run(show, capture_output=True, text=True, check=False).stdout.strip()


def build(image: str, context: Path, sources: str) -> None:
    """Build an image and mark it with the digest of its sources."""
    command = ["docker", "build", "--network", "host", "--build-arg", f"BASE={BASE}"]
    # The classic builder needs no plugin, and no image from a registry.
    environment = {"DOCKER_BUILDKIT": "0"}
    run([*command, "--label", f"{_LABEL}={sources}", "-t", image, context], log="images", environment=environment)


def ensure_base() -> None:
    """A Debian base image from Debian's packages."""
    if not subprocess.run(["docker", "image", "inspect", BASE], capture_output=True, check=False).returncode:
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
            subprocess.run(["docker", "image", "rm", BASE], capture_output=True, check=False)
            raise SetupError(f"the base image could not be imported: {imported.stderr.decode(errors='replace')}")
        shutil.rmtree(root)


def _kafka_jars() -> Path:
    """Kafka's jars, and ZooKeeper's among them."""
    toolchain.ensure_maven()
    folder = CACHE / f"kafka-jars-{KAFKA_VERSION}-{digest(_SOURCES / 'kafka' / 'pom.xml')}"
    if not folder.exists():
        with step(f"fetching Kafka {KAFKA_VERSION} from Maven"):
            partial = folder.with_name(f"{folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            goal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
            pom = _SOURCES / "kafka" / "pom.xml"
            options = [f"-Dkafka.version={KAFKA_VERSION}", f"-DoutputDirectory={partial}", "-DincludeScope=runtime"]
            run(["mvn", "-q", "-B", "-f", pom, goal, *options], log="maven")
            partial.rename(folder)
    return folder
