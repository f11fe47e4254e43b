"""A study file as a whole: that what its entries name is there, checked before any work."""

from __future__ import annotations

import os
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from onegrain.core.names import require_name
from onegrain.errors import ParameterError
from onegrain.studies.entries import (
    Ablation,
    Comparison,
    CorpusSource,
    CrossModel,
    Entry,
    MethodRanking,
    ModelSource,
    Probe,
)

__all__ = ["Study", "read_study"]

NAMED = ("corpora", "models", "probes", "crossmodel", "rankings", "comparisons", "ablations")


class Study(Entry):
    """A whole experiment.

    Attributes:
        title: of the report.
        seed: of everything random that names no seed of its own.
        neurons: single neurons to show of each model in the report.
        aggregate, dtype: of every extraction.
        show: (model, corpus) whose activations the report takes its words and heat maps from.
    """

    title: str
    seed: int = 0
    neurons: int = Field(default=3, ge=1)
    aggregate: Literal["last", "first", "mean"] = "last"
    dtype: Literal["float16", "float32"] = "float32"
    corpora: dict[str, CorpusSource] = Field(min_length=1)
    models: dict[str, ModelSource] = Field(min_length=1)
    probes: dict[str, Probe] = Field(default_factory=dict)
    crossmodel: dict[str, CrossModel] = Field(default_factory=dict)
    rankings: dict[str, MethodRanking] = Field(default_factory=dict)
    comparisons: dict[str, Comparison] = Field(default_factory=dict)
    ablations: dict[str, Ablation] = Field(default_factory=dict)
    show: tuple[tuple[str, str], ...] = ()

    @model_validator(mode="after")
    def _names_fit(self) -> Study:
        """Check every name that becomes part of a file's name, before anything is written or removed."""
        for table in NAMED:
            for name in getattr(self, table):
                require_name(name, f"[{table}]: the name {name!r}")
                if "--" in name:
                    raise ValueError(
                        f"[{table}]: the name {name!r} holds '--', which joins names in the names of files"
                    )
        return self

    @model_validator(mode="after")
    def _names_exist(self) -> Study:
        for where, corpora, models in self._references():
            for name in corpora:
                if name is not None and name not in self.corpora:
                    raise ValueError(f"{where}: no corpus {name!r}; there are: {', '.join(self.corpora)}")
            for name in models:
                if name not in self.models:
                    raise ValueError(f"{where}: no model {name!r}; there are: {', '.join(self.models)}")
        twice = [name for name, n in Counter([*self.probes, *self.crossmodel, *self.rankings]).items() if n > 1]
        if twice:
            raise ValueError(f"two entries that rank are named {', '.join(twice)}; give them different names")
        for name, ablation in self.ablations.items():
            self._require_ranked(f"ablations.{name}", ablation)
        for name, comparison in self.comparisons.items():
            self._require_ranked(f"comparisons.{name}", comparison)
            self._require_comparable(f"comparisons.{name}", comparison)
        return self

    def _require_ranked(self, where: str, entry: Ablation | Comparison) -> None:
        """Raise ValueError unless the rankings that an entry names are there, of all its models."""
        ranked = self.ranked
        for name in entry.rankings:
            if name not in ranked:
                raise ValueError(f"{where}: no probes, crossmodel or rankings entry {name!r}")
            missing = sorted(set(entry.models) - set(ranked[name].models))
            if missing:
                raise ValueError(f"{where}: {name!r} does not rank {', '.join(missing)}")

    def _require_comparable(self, where: str, comparison: Comparison) -> None:
        """Raise ValueError unless the rankings are of the same sites, and not made from the tested words."""
        entries = {name: self.ranked[name] for name in comparison.rankings}
        if len({entry.sites for entry in entries.values()}) > 1:
            raise ValueError(f"{where}: {', '.join(entries)} rank different sites; give all the same")
        for name, entry in entries.items():
            if entry.corpora[0] == comparison.test:
                raise ValueError(
                    f"{where}: {name!r} is made from the tested words; test on others than {comparison.test!r}"
                )

    @property
    def ranked(self) -> dict[str, Probe | CrossModel | MethodRanking]:
        """Every entry that ranks neurons, by name."""
        return {**self.probes, **self.crossmodel, **self.rankings}

    def _references(self) -> Iterable[tuple[str, list[str | None], list[str]]]:
        for name, model in self.models.items():
            yield f"models.{name}", [model.train, model.valid, model.test], []
        for table in ("probes", "crossmodel", "rankings", "comparisons"):
            for name, entry in getattr(self, table).items():
                yield f"{table}.{name}", list(entry.corpora), list(entry.models)
        for name, ablation in self.ablations.items():
            yield f"ablations.{name}", [ablation.corpus], list(ablation.models)
        yield "show", [corpus for _, corpus in self.show], [model for model, _ in self.show]


def read_study(path: str | os.PathLike[str]) -> Study:
    """Read and check a study file.

    Raises:
        ParameterError: the file is not there, is not TOML, or says something impossible; every fault is named.
    """
    file = Path(path)
    content = _toml(file)
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        faults = [
            ".".join(str(part) for part in fault["loc"])
            + (": " if fault["loc"] else "")
            + fault["msg"].removeprefix("Value error, ")
            for fault in error.errors()
        ]
        raise ParameterError(f"{file}: " + "; ".join(faults)) from error


def _toml(file: Path) -> dict[str, Any]:
    """Return what a TOML file says; every failure is one error that names the file and the line if known."""
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
