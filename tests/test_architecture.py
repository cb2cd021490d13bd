"""The table of rooms in docs/architecture.md is what the imports say."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import spacy_crf_ner

PACKAGE = Path(spacy_crf_ner.__file__).parent
ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "architecture.md"
EVERYTHING = "everything"


def read_rooms():
    """For each room, in the order of the table, the rooms that it may import."""
    rows = re.findall(r"^\| (`.*)\|$", TABLE.read_text(encoding="utf8"), re.MULTILINE)
    rooms = {}
    for row in rows:
        names, _, allowed = row.split(" | ")
        for name in re.findall(r"`(\w+)", names):
            is_all = allowed.strip() == EVERYTHING
            rooms[name] = EVERYTHING if is_all else set(re.findall(r"`(\w+)", allowed))
    return rooms


def imports_of(path, package):
    """The modules of ours that a module imports, at its top or within functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            module = ".".join([*base, node.module or ""] if node.level else [node.module])
            # `from . import cpu` imports a module, `from .cpu import f` a name of it.
            yield from (f"{module}.{alias.name}".replace("..", ".") for alias in node.names)
            yield module.rstrip(".")
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def find_modules():
    """For each module, by its name, the modules of ours that it imports."""
    files = {}
    for folder in (PACKAGE, ROOT / "benchmarks"):
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder.parent).with_suffix("").parts
            files[".".join(parts).removesuffix(".__init__")] = path
    modules = {}
    for name, path in files.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        modules[name] = {m for m in imports_of(path, package) if m in files and m != name}
    return modules


MODULES = find_modules()
ROOMS = read_rooms()


def room_of(module):
    first, _, rest = module.partition(".")
    return rest.partition(".")[0] if first == PACKAGE.name else first


def reachable(module):
    seen, todo = set(), [module]
    while todo:
        new = MODULES[todo.pop()] - seen
        seen |= new
        todo += new
    return seen


def test_the_table_has_all_rooms():
    found = {room_of(module) for module in MODULES} - {""}
    assert found == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_the_table_says(room):
    found = {
        room_of(imported)
        for module, imports in MODULES.items()
        if room_of(module) == room
        for imported in imports
    } - {room, ""}
    earlier = list(ROOMS)[: list(ROOMS).index(room)]
    assert found <= set(earlier), "rooms may only import the rooms above them in the table"
    if ROOMS[room] != EVERYTHING:
        assert found == ROOMS[room]


def test_no_modules_import_each_other():
    # A package's __init__ and its modules are one here: `from . import cpu` runs it first.
    graph = {
        module: {m for m in imports if not module.startswith(f"{m}.")}
        for module, imports in MODULES.items()
    }
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_prediction_never_enters_the_loss():
    for module in ("decoding", "constraints", "potentials", "confidence"):
        names = {m.rpartition(".")[2] for m in reachable(f"spacy_crf_ner.pipeline.{module}")}
        assert names.isdisjoint({"loss", "soft_targets", "gold", "update"})
