"""Reading a study file."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, create_model

from onegrain.errors import ParameterError
from onegrain.studies.stages import STAGES
from onegrain.studies.study import Study

__all__ = ["StudyFile", "read_study"]

TABLES: dict[str, Any] = {
    entry.TABLE: (dict[str, entry], Field(default_factory=dict))  # type: ignore[valid-type]
    for entry in (stage.entry for stage in STAGES)
    if entry is not None
}
StudyFile: type[Study] = create_model("StudyFile", __base__=Study, __module__=__name__, **TABLES)
"""A study with the table of every stage."""

FORMER = {"probes": {"method": "lca"}, "crossmodel": {"method": "maxcorr"}}
"""Tables of earlier versions that ``rankings`` replaces, each with the keys that its entries left out."""


def read_study(path: str | os.PathLike[str]) -> Study:
    """Read and check a study file.

    Raises:
        ParameterError: the file does not exist, is not TOML, or has faults; the message names every fault.
    """
    file = Path(path)
    content = _toml(file)
    if former := [table for table in FORMER if table in content]:
        raise ParameterError(_remedy(file, content, former))
    try:
        return StudyFile.model_validate(content)
    except ValidationError as error:
        faults = [
            ".".join(str(part) for part in fault["loc"])
            + (": " if fault["loc"] else "")
            + fault["msg"].removeprefix("Value error, ")
            for fault in error.errors()
        ]
        raise ParameterError(f"{file}: " + "; ".join(faults)) from error


def _remedy(file: Path, content: dict[str, Any], former: list[str]) -> str:
    """Return the error for tables of earlier versions, with the tables to write in their place."""
    names = " and ".join(f"[{table}.NAME]" for table in former)
    lines = [f"{file}: {names} are now [rankings.NAME] with a method; write in their place:"]
    for table in former:
        for name, entry in content[table].items() if isinstance(content[table], dict) else ():
            if isinstance(entry, dict):
                keys = FORMER[table] | {
                    "corpus" if key == "train" else key: value for key, value in entry.items()
                }
                lines += ["", f"[rankings.{_key(name)}]", *(f"{key} = {_value(keys[key])}" for key in keys)]
    return "\n".join(lines)


def _key(name: str) -> str:
    """Return a key as TOML writes it."""
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare else json.dumps(name)


def _value(value: Any) -> str:
    """Return a value as TOML writes it on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return json.dumps(value, default=str)


def _toml(file: Path) -> dict[str, Any]:
    """Return the content of a TOML file; every failure is one error that names the file."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise ParameterError(f"{file} does not exist") from None
    except IsADirectoryError:
        raise ParameterError(f"{file} is a folder; give the study file in it (*.toml)") from None
    except (OSError, ValueError) as error:
        raise ParameterError(f"{file} cannot be read: {error}") from error
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ParameterError(f"{file}:{line}: not UTF-8 text; save the file as UTF-8") from error
    except RecursionError:
        raise ParameterError(f"{file}: nested too deeply for a study; nothing in one is") from None
    except ValueError as error:  # TOMLDecodeError is one; so is a number of thousands of digits
        raise ParameterError(f"{file} is not TOML: {error}") from error
