"""The import rules of docs/architecture.md, and that no modules import each other in a circle.

Both are read from the source, so imports inside functions and those for type checkers count too.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

from support import ROOT

PACKAGE = ROOT / "src" / "onegrain"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
EVERYWHERE = {"core", "errors"}
FRONT_DOOR = "__init__"


def import_rules(page: str) -> dict[str, set[str]]:
    """Read the table of folders: what each folder may import, besides ``core``, ``errors`` and itself."""
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in row] for row in rows]
    header = next(row for row in rows if row[0] == "folder" and "may import" in row)
    table = [row for row in rows[rows.index(header) + 1 :] if re.fullmatch(r"`[a-z_/]+(/|\.py)`", row[0])]
    column = header.index("may import")
    cells = {re.sub(r"[`/]*$|\.py`$|^`", "", row[0]): row[column] for row in table if len(row) == len(header)}
    names = {folder: set(re.findall(r"`([a-z_]+)`", cell)) for folder, cell in cells.items()}
    parts = {folder.split("/")[0] for folder in cells}
    return {folder: parts if cells[folder] == "everything" else names[folder] for folder in cells}


RULES = import_rules(PAGE)


def sources(root: Path) -> list[Path]:
    """Every file whose imports count, the stubs of files that load their names lazily included."""
    return sorted([*root.rglob("*.py"), *root.rglob("*.pyi")])


def module_name(path: Path, root: Path) -> str:
    parts = ("onegrain", *path.relative_to(root).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, root: Path) -> set[tuple[str, str]]:
    """Every (module, name) that a file imports, anywhere in the file; the name is empty for whole modules."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            relative = path.suffix == ".pyi"
            assert node.level == relative, f"{path}: relative import; write the whole name"
            module = f"{module_name(path, root)}.{node.module}" if relative else str(node.module)
            imported |= {(module, alias.name) for alias in node.names}
    return imported


def part_of(module: str, name: str) -> str:
    """The folder or file directly below the package that an import reads; empty for the package itself."""
    return f"{module}.{name}".split(".")[1] if module.split(".")[0] == "onegrain" else ""


def violations(root: Path, rules: dict[str, set[str]]) -> list[str]:
    forbidden = []
    for path in sources(root):
        parts = path.relative_to(root).with_suffix("").parts
        if parts == (FRONT_DOOR,):
            continue
        above = {"/".join(parts[: depth + 1]) for depth in range(len(parts))}
        allowed = EVERYWHERE | {parts[0]} | {part for folder in above for part in rules.get(folder, set())}
        for module, name in sorted(imports(path, root)):
            if module.split(".")[0] == "onegrain" and part_of(module, name) not in allowed:
                forbidden.append(f"{path.relative_to(root)} imports {module}")
    return forbidden


def import_graph(root: Path) -> dict[str, set[str]]:
    """The modules that each module of the package imports; a package stands for its ``__init__`` file."""
    modules = {module_name(path, root) for path in sources(root)}
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for path in sources(root):
        importer = module_name(path, root)
        for module, name in imports(path, root):
            imported = f"{module}.{name}" if f"{module}.{name}" in modules else module
            if imported in modules and imported != importer:
                graph[importer].add(imported)
    return graph


def circles(graph: dict[str, set[str]]) -> list[str]:
    """Circles that share no import, each as a chain of modules."""
    graph = {module: set(imported) for module, imported in graph.items()}
    chains = []
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            chain = error.args[1][::-1]
            chains.append(" -> ".join(chain))
            for importer, imported in pairwise(chain):
                graph[importer].remove(imported)
        else:
            return chains


def test_the_page_has_a_row_for_every_folder() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    files = {path.stem for path in PACKAGE.glob("*.py")} - {FRONT_DOOR}
    assert {folder for folder in RULES if "/" not in folder} == folders | files
    for folder, allowed in RULES.items():
        assert (PACKAGE / folder).is_dir() or (PACKAGE / f"{folder}.py").is_file()
        assert allowed <= folders | files, folder


def test_every_part_keeps_to_its_imports() -> None:
    assert violations(PACKAGE, RULES) == []


def test_a_forbidden_import_is_seen_even_inside_a_function(tmp_path: Path) -> None:
    (tmp_path / "rankings" / "gradients").mkdir(parents=True)
    text = "def f():\n    from onegrain.models import load_model\n    from onegrain import core, studies\n"
    (tmp_path / "rankings" / "bad.py").write_text(text)
    (tmp_path / "rankings" / "gradients" / "bad.py").write_text(text)
    assert violations(tmp_path, {"rankings": {"records"}, "rankings/gradients": {"models"}}) == [
        "rankings/bad.py imports onegrain",
        "rankings/bad.py imports onegrain.models",
        "rankings/gradients/bad.py imports onegrain",
    ]


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles(import_graph(PACKAGE)) == []


def test_a_circle_is_named_even_for_type_checkers_and_through_a_stub(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "__init__.py").write_text("")
    (tmp_path / "records" / "__init__.pyi").write_text("from .ranking import Ranking as Ranking\n")
    (tmp_path / "records" / "ranking.py").write_text("from onegrain.first import a\n")
    (tmp_path / "first.py").write_text("def f():\n    from onegrain import second\n")
    (tmp_path / "second.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from onegrain.records import Ranking\n"
    )
    (circle,) = circles(import_graph(tmp_path))
    names = ["onegrain.records", "onegrain.records.ranking", "onegrain.first", "onegrain.second"]
    assert " -> ".join(names * 2).count(circle) == 1


def foreign_names(path: Path) -> list[str]:
    """Names of other modules of the package in the bodies of a file's compiled functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("onegrain")
        for alias in node.names
    }
    compiled = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(mark, ast.Name) and mark.id == "compiled" for mark in node.decorator_list)
    )
    return [
        f"{path.name}: {function.name} names {node.id}"
        for function in compiled
        for statement in function.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and node.id in imported
    ]


def test_compiled_functions_name_nothing_of_another_file() -> None:
    """Their machine code is made again only where their own file changes."""
    assert [name for path in sorted(PACKAGE.rglob("*.py")) for name in foreign_names(path)] == []


def test_a_foreign_name_in_a_compiled_function_is_seen(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        "from onegrain.core import CELLS\n@compiled\ndef f(table: CELLS):\n    return CELLS\n"
    )
    assert foreign_names(tmp_path / "bad.py") == ["bad.py: f names CELLS"]


def test_core_knows_no_torch() -> None:
    for path in (PACKAGE / "core").rglob("*.py"):
        assert not {"torch", "transformers"} & {module.split(".")[0] for module, _ in imports(path, PACKAGE)}


@pytest.mark.parametrize("command", ["import onegrain", "import onegrain.cli", "import onegrain.corpora"])
def test_the_front_doors_load_neither_torch_nor_transformers(command: str) -> None:
    check = f"{command}, sys; sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
