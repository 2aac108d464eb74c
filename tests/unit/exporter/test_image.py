"""The exporter's image holds what the exporter imports, all of it and nothing else.

Source: offline/images.py, images/exporter/Dockerfile.
Proof limit: imports are read from the source; the image is not built.
"""

import ast
from pathlib import Path

from offline.images import copied_files
from offline.steps import PROJECT

DOCKERFILE = PROJECT / "images" / "exporter" / "Dockerfile"


def imported_by(path: Path) -> set[Path]:
    """Files of the project that a file imports: at once or in a function, but not for types alone."""
    tree = ast.parse(path.read_text())
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node not in for_types:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = {PROJECT / f"{module.replace('.', '/')}.py" for module in modules}
    packages = {PROJECT / module.replace(".", "/") / "__init__.py" for module in modules}
    return {file for file in files | packages if file.exists()}


def needed() -> set[Path]:
    found: set[Path] = set()
    left = set((PROJECT / "exporter").glob("*.py"))
    while left:
        path = left.pop()
        found.add(path)
        left |= {file for file in imported_by(path) if file.name != "__init__.py" or file.parent != PROJECT} - found
    return found


def test_the_image_holds_just_the_modules_that_the_exporter_needs() -> None:
    copied = {file for path in copied_files(DOCKERFILE) for file in (path.glob("*.py") if path.is_dir() else [path])}
    packages = {path.parent / "__init__.py" for path in copied}
    assert copied == needed() | packages
