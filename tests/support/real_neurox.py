"""The real package neurox 1.0.9, for the tests that compare with it."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

__all__ = ["class_numbers", "load", "probe_of", "public_names", "train"]

MISSING = "the real neurox is not installed: pip install --no-deps neurox==1.0.9"


def load(name: str) -> ModuleType:
    """Import a module ``neurox.<name>``; skip the test if the package is missing.

    ``neurox.interpretation.utils`` imports imbalanced-learn to balance data, which no test does. If it is not
    installed, an empty module replaces it while neurox is imported.
    """
    if find_spec("neurox") is None:
        pytest.skip(MISSING)
    standing_in = [] if find_spec("imblearn") else ["imblearn", "imblearn.under_sampling"]
    for module in standing_in:
        sys.modules[module] = ModuleType(module)
        sys.modules[module].RandomUnderSampler = None  # type: ignore[attr-defined]
    try:
        return import_module(f"neurox.{name}")
    finally:
        for module in standing_in:
            del sys.modules[module]


def train(values: np.ndarray, codes: np.ndarray, seed: int, **options: Any) -> Any:
    """Train NeuroX's probe from a seed, on the CPU."""
    import torch

    probe = load("interpretation.linear_probe")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.cuda.is_available", lambda: False)
        torch.manual_seed(seed)
        return probe.train_logistic_regression_probe(values, codes, **options)


def probe_of(weights: np.ndarray) -> Any:
    """Return NeuroX's probe with these weights, (labels, neurons)."""
    import torch

    probe = load("interpretation.linear_probe").LinearProbe(weights.shape[1], weights.shape[0])
    probe.linear.weight.data = torch.from_numpy(np.asarray(weights, dtype=np.float32))
    return probe


def class_numbers(labels: tuple[str, ...]) -> Mapping[str, int]:
    """Return NeuroX's ``class_to_idx`` with the labels numbered in their order."""
    return {label: number for number, label in enumerate(labels)}


def public_names() -> set[str]:
    """Return every public function, class and method of neurox as ``module.name``, read from its source.

    The modules are not imported, because the plotting ones need packages that may not be installed.
    """
    spec = find_spec("neurox")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(MISSING)
    root = Path(next(iter(spec.submodule_search_locations)))
    names: set[str] = set()
    for path in sorted(root.rglob("*.py")):
        module = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(path.read_text(encoding="utf-8")).body
        names |= {f"{module}.{name}" for name in _names(body)}
    return names


def _names(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield node.name
            if isinstance(node, ast.ClassDef):
                yield from (f"{node.name}.{name}" for name in _names(node.body))
