"""Dependencies point one way: dags → edge → stages → what they work with → records."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "include/sluice"
MODULES = {
    ".".join(("sluice", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
# What may stand above the stages.
ABOVE = (
    "sluice.edge",
    "sluice.pipeline",
    "sluice.rehearsal",
    "sluice.draft",
    "sluice.tryout",
    "sluice.checks",
    "sluice.explaining",
    "sluice.cli",
    "sluice.demo",
    "sluice.stack",
)


def imports_of(module: str) -> set[str]:
    """All modules of the package that ``module`` imports, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name in MODULES}


def below(name: str, *roots: str) -> bool:
    return any(name == root or name.startswith(f"{root}.") for root in roots)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_nothing_from_above(module: str) -> None:
    """Stages know neither each other nor the edge; what they work with knows no stage."""
    used = imports_of(module)
    if not below(module, *ABOVE):
        assert not {name for name in used if below(name, *ABOVE)}
        assert not {name for name in used if below(name, "sluice.stages") and name != "sluice.stages"}


@pytest.mark.parametrize("module", ["sluice.records", "sluice.errors"])
def test_records_and_errors_stand_on_nothing(module: str) -> None:
    assert imports_of(module) == set()


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        (
            "lxml",
            ("sluice.xmlio.documents", "sluice.xmlio.schemas", "sluice.plan", "sluice.spelling", "sluice.validity"),
        ),
        ("great_expectations", ("sluice.gate", "sluice.feed.checking")),
        ("airflow", ("sluice.edge",)),
    ],
)
def test_a_library_has_one_home(library: str, homes: tuple[str, ...]) -> None:
    """Parsers are built in ``xmlio`` (others hold its trees); Great Expectations and Airflow have a package each."""
    users = {module for module, path in MODULES.items() if _uses(path, library)}
    assert {name for name in users if not below(name, *homes)} == set()


def test_only_xmlio_builds_parsers() -> None:
    """A parser anywhere else would have limits of its own."""
    makers = re.compile(r"XML(Pull)?Parser\(|ParserCreate\(|iterparse\(")
    users = {module for module, path in MODULES.items() if makers.search(path.read_text())}
    assert users == {"sluice.xmlio.documents", "sluice.xmlio.schemas", "sluice.xmlio.listening"}


def _uses(path: Path, library: str) -> bool:
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if any(below(name, library) for name in names):
            return True
    return False
