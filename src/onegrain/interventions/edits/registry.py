"""Every kind of edit by its name, and edits from text and from JSON."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from onegrain.errors import ParameterError
from onegrain.interventions.edits.add import Add
from onegrain.interventions.edits.clamp import Clamp
from onegrain.interventions.edits.edit import NeuronEdit
from onegrain.interventions.edits.interchange import Interchange
from onegrain.interventions.edits.mean import Mean
from onegrain.interventions.edits.mode import Mode
from onegrain.interventions.edits.optimal import Optimal
from onegrain.interventions.edits.project import Project
from onegrain.interventions.edits.ranged import Range
from onegrain.interventions.edits.resample import Resample
from onegrain.interventions.edits.scale import Scale
from onegrain.interventions.edits.zero import Zero

__all__ = ["EDITS", "edit_from_json", "parse_edit"]

DEEPEST = 20
"""Most brackets in the text of an edit."""

KINDS: tuple[type[NeuronEdit], ...] = (
    Zero,
    Mean,
    Mode,
    Resample,
    Optimal,
    Clamp,
    Scale,
    Add,
    Range,
    Project,
    Interchange,
)

EDITS: dict[str, type[NeuronEdit]] = {kind.kind: kind for kind in KINDS}
"""Every kind of edit by its name. A new kind is one file in this folder and one entry above."""


def parse_edit(text: str | NeuronEdit) -> NeuronEdit:
    """Return the edit that a text names: a kind, with its parameters in brackets if it has any.

    >>> parse_edit("range(edit=clamp(value=3), low=1)")
    Range(edit=Clamp(value=3, deviations=None), low=1, high=None, label=None, deviations=2.5)
    >>> str(parse_edit("zero"))
    'zero'

    Raises:
        ParameterError: the text names no edit, or a parameter is unknown, missing or refused.
    """
    if isinstance(text, NeuronEdit):
        return text
    if text.count("(") > DEEPEST:
        raise ParameterError(f"{text[:40]!r}... is not an edit; it has too many brackets")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ParameterError(f"{text!r} is not an edit; write a kind, e.g. zero or clamp(value=3.0)") from error
    edit = _value(tree, text)
    if not isinstance(edit, NeuronEdit):
        raise ParameterError(f"{text!r} is not an edit; the edits are: {', '.join(EDITS)}")
    return edit


def edit_from_json(value: Any) -> NeuronEdit:
    """Return the edit that :meth:`NeuronEdit.to_json` wrote.

    Raises:
        ParameterError: the value names no edit, or a parameter is unknown, missing or refused.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("kind"), str):
        raise ParameterError(f"an edit is an object with a kind, got {value!r:.60}")
    parameters = {
        name: edit_from_json(item) if isinstance(item, Mapping) else item
        for name, item in value.items()
        if name != "kind"
    }
    return _create(value["kind"], parameters)


def _create(kind: str, parameters: Mapping[str, Any]) -> NeuronEdit:
    if kind not in EDITS:
        raise ParameterError(f"no edit {kind!r}; the edits are: {', '.join(EDITS)}")
    known = [entry.name for entry in fields(EDITS[kind])]
    unknown = [name for name in parameters if name not in known]
    if unknown:
        takes = f"it takes: {', '.join(known)}" if known else "it takes none"
        raise ParameterError(f"the edit {kind} has no parameter {', '.join(unknown)}; {takes}")
    try:
        return EDITS[kind](**parameters)
    except TypeError as error:
        missing = [name for name in known if name not in parameters]
        raise ParameterError(f"the edit {kind} needs {', '.join(missing)}") from error


def _value(node: ast.expr, text: str) -> Any:
    """Return the edit or the constant that a part of the text stands for."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _value(node.operand, text)
        if isinstance(number, int | float):
            return -number
    if isinstance(node, ast.Name):
        return _create(node.id, {})
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
        named = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
        return _create(node.func.id, {name: _label_or_value(part, text) for name, part in named.items()})
    raise ParameterError(f"{text!r} is not an edit; write a kind, e.g. zero or clamp(value=3.0)")


def _label_or_value(node: ast.expr, text: str) -> Any:
    """Return a parameter: a bare word that is no kind of edit is a text, so labels need no quotation marks."""
    if isinstance(node, ast.Name) and node.id not in EDITS:
        return node.id
    return _value(node, text)
