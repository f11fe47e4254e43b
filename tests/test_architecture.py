"""The import rules of docs/architecture.md, read from the source, lazy imports too."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT

PACKAGE = ROOT / "src" / "onegrain"

EVERYWHERE = {"core", "errors"}
MAY_IMPORT = {
    "core": set(),
    "errors": set(),
    "records": set(),
    "corpora": {"records"},
    "engines": {"records"},
    "models": {"records"},
    "synthetic": {"records"},
    "activations": {"records", "models", "corpora", "engines"},
    "metrics": {"records", "models"},
    "rankings": {"records", "activations", "engines"},
    "evaluation": {"records", "activations", "rankings"},
    "interventions": {"records", "models", "activations", "metrics", "engines"},
    "analyses": {"records", "activations"},
    "formats": {"records", "corpora", "activations"},
    "library": {"records", "activations"},
    "reports": {"records", "analyses", "library"},
    "studies": {
        "records",
        "activations",
        "analyses",
        "corpora",
        "engines",
        "evaluation",
        "formats",
        "interventions",
        "library",
        "metrics",
        "models",
        "rankings",
        "reports",
        "synthetic",
    },
    "explorer": {"records", "reports", "library", "analyses", "activations", "interventions"},
}
BESIDES = {"rankings/gradients": {"models"}}
"""What single folders inside a part may import besides."""
UNRULED = {"cli", ""}


def part_of(module: str) -> str:
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 else ""


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in the file it does so."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the whole name"
            found.add(node.module or "")
            if node.module == "onegrain":
                found |= {f"onegrain.{alias.name}" for alias in node.names}
    return found


def violations(root: Path) -> list[str]:
    found = []
    for path in sorted(root.rglob("*.py")):
        own = path.relative_to(root).parts[0].removesuffix(".py")
        own = "" if own == "__init__" else own
        if own in UNRULED:
            continue
        folder = path.parent.relative_to(root).as_posix()
        allowed = MAY_IMPORT[own] | EVERYWHERE | {own} | BESIDES.get(folder, set())
        for module in sorted(imports(path)):
            if module.split(".")[0] == "onegrain" and part_of(module) not in allowed:
                found.append(f"{path.relative_to(root)} imports {module}")
    return found


def test_every_part_keeps_to_its_imports() -> None:
    assert violations(PACKAGE) == []


def test_a_forbidden_import_is_seen_even_inside_a_function(tmp_path: Path) -> None:
    (tmp_path / "rankings").mkdir()
    (tmp_path / "rankings" / "bad.py").write_text("def f():\n    from onegrain.models import load_model\n")
    assert violations(tmp_path) == ["rankings/bad.py imports onegrain.models"]


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
        and any(isinstance(one, ast.Name) and one.id == "compiled" for one in node.decorator_list)
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
        assert not {"torch", "transformers"} & {module.split(".")[0] for module in imports(path)}, path


@pytest.mark.parametrize("command", ["import onegrain", "import onegrain.cli", "import onegrain.corpora"])
def test_the_front_doors_load_neither_torch_nor_transformers(command: str) -> None:
    check = f"{command}, sys; sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
