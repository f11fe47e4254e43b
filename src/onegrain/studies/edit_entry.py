"""The base of entries that edit the first neurons of rankings and measure what follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from onegrain.errors import ParameterError
from onegrain.interventions import Where, parse_edit
from onegrain.studies.entries import StageEntry, existing
from onegrain.studies.parameters import require_parameters
from onegrain.studies.stages.rank import require_ranked

if TYPE_CHECKING:
    from onegrain.studies.workspace import Workspace

__all__ = ["EditEntry", "places_of"]

KEYS = ("edit", "where", "reference", "pairs")


class EditEntry(StageEntry):
    """An edit of the first neurons of rankings, and the corpus that its consequences are measured on.

    Attributes:
        FUNCTION: the function that takes the ``parameters``.
        models: the models to edit.
        rankings: rankings of those models; each gives one record per model.
        corpus: the corpus to measure on.
        edit: text of the edit, such as ``mean``.
        where: places of the edit: ``words``, ``positions`` and ``part`` of :class:`onegrain.Where`.
        reference: the corpus whose activations an edit such as ``mean`` refers to.
        pairs: for ``interchange``, the corpus whose sentence i is the pair of sentence i.
        parameters: further parameters of the function.
    """

    FUNCTION: ClassVar[Callable[..., Any]]
    rankings: tuple[str, ...] = Field(min_length=1)
    corpus: str
    edit: str = "zero"
    where: dict[str, Any] = Field(default_factory=dict)
    reference: str | None = None
    pairs: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)

    @property
    def corpora(self) -> tuple[str, ...]:
        """The corpus that is measured on, that of the reference, and the pairs."""
        return (self.corpus, *existing(self.reference, self.pairs))

    @property
    def extracted(self) -> tuple[str, ...]:
        """The corpus of the reference."""
        return existing(self.reference)

    @model_validator(mode="after")
    def _edit_and_parameters_exist(self) -> EditEntry:
        try:
            edit = parse_edit(self.edit)
        except ParameterError as error:
            raise ValueError(str(error)) from None
        places_of(self.where)
        if (edit.statistics or edit.needs_samples) and self.reference is None:
            raise ValueError(f"the edit {edit} needs a reference; name a corpus")
        if edit.needs_pairs and self.pairs is None:
            raise ValueError(f"the edit {edit} needs pairs; name a corpus")
        require_parameters(type(self).FUNCTION, self.parameters, keys=(*KEYS, *self._further_keys()))
        return self

    def _further_keys(self) -> tuple[str, ...]:
        """Return parameters of the function that a subclass has keys for."""
        return ()

    def check(self, where: str, tables: Mapping[str, Mapping[str, StageEntry]]) -> None:
        """Check that the rankings exist, of all the models."""
        require_ranked(where, self, self.rankings, tables)

    def arguments(self, workspace: Workspace, model: str) -> dict[str, Any]:
        """Return the keywords of the function, apart from those of every stage."""
        return {
            "edit": self.edit,
            "where": places_of(self.where),
            "reference": workspace.held_out(model, self.reference, None),
            "pairs": None if self.pairs is None else workspace.corpus(self.pairs),
            **self.parameters,
        }


def places_of(where: dict[str, Any]) -> Where:
    """Return the places that an entry names.

    Raises:
        ValueError: they are not places.
    """
    try:
        return Where.from_json(where)
    except ParameterError as error:
        raise ValueError(str(error)) from None
