"""Set the first neurons of rankings so that translations change a value, and count successes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from onegrain.core.progress import Progress
from onegrain.corpora import ending_lexicon, value_lexicon
from onegrain.interventions import control
from onegrain.records.control import Control
from onegrain.records.ranking import Ranking
from onegrain.records.value_change import ValueChange
from onegrain.studies.edit_entry import places_of
from onegrain.studies.entries import Entry, StageEntry, existing
from onegrain.studies.parameters import require_parameters
from onegrain.studies.stages.edited import EditedStage
from onegrain.studies.stages.rank import require_ranked
from onegrain.studies.workspace import Workspace
from onegrain.synthetic import sandbox_change

__all__ = ["ControlEntry", "ControlStage", "LexiconSource", "SandboxChange"]


class LexiconSource(Entry):
    """The source of the values of target words.

    Attributes:
        corpus: a corpus of the target language that has the property's label layer, or whose words have the
            ``endings``.
        endings: the ending of each value; see :func:`onegrain.ending_lexicon`.
        parameters: further parameters of the function that makes the lexicon.
    """

    corpus: str
    endings: dict[str, str] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _parameters_exist(self) -> LexiconSource:
        function: Any = value_lexicon if self.endings is None else ending_lexicon
        require_parameters(function, self.parameters)
        return self

    def lexicon(self, workspace: Workspace, layer: str) -> dict[str, str]:
        """Return the lexicon of a property."""
        corpus = workspace.corpus(self.corpus)
        if self.endings is None:
            return value_lexicon(corpus, layer, **self.parameters)
        return ending_lexicon(corpus, self.endings, **self.parameters)


class SandboxChange(Entry):
    """Sentences of the sandbox language with the exact translations of both values.

    Attributes:
        sentences, language, parallel: as :func:`onegrain.sandbox_change` takes them; its seed is the study's.
    """

    sentences: int = Field(default=200, ge=1)
    language: str = "en"
    parallel: str = "fr"


class ControlEntry(StageEntry):
    """Neurons that are set so that translations change a value; see :func:`onegrain.control`.

    Attributes:
        models: translation models.
        rankings: rankings of those models; each gives one record per model.
        layer: the label layer of the property, such as ``Number``.
        value: the value that the sentences have.
        wanted: the value that their translations should get.
        corpus: source sentences with the layer; those that have the value alone are taken.
        lexicon: the values of target words, by which translations are judged.
        sandbox: sentences of the sandbox language, in place of ``corpus``, ``lexicon`` and ``wanted``.
        reference: the corpus whose activations give the means under both values.
        label: the label whose own order of neurons is used; by default the order over all labels.
        where: the places where neurons are set; by default the source words that express the value.
        parameters: further parameters of the function.
    """

    TABLE: ClassVar[str] = "controls"
    rankings: tuple[str, ...] = Field(min_length=1)
    layer: str
    value: str
    wanted: str | None = None
    corpus: str | None = None
    lexicon: LexiconSource | None = None
    sandbox: SandboxChange | None = None
    reference: str
    label: str | None = None
    where: dict[str, Any] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)

    @property
    def corpora(self) -> tuple[str, ...]:
        """The sentences, the corpus of the lexicon, and that of the reference."""
        lexicon = None if self.lexicon is None else self.lexicon.corpus
        return (*existing(self.corpus, lexicon), self.reference)

    @property
    def extracted(self) -> tuple[str, ...]:
        """The corpus of the reference."""
        return (self.reference,)

    @model_validator(mode="after")
    def _one_origin(self) -> ControlEntry:
        named = [self.corpus, self.lexicon, self.wanted]
        missing = [each for each in named if each is None]
        if missing if self.sandbox is None else len(missing) < len(named):
            raise ValueError("give either corpus, lexicon and wanted, or sandbox")
        if self.where is not None:
            places_of(self.where)
        require_parameters(control, self.parameters, keys=("where",))
        return self

    def check(self, where: str, tables: Mapping[str, Mapping[str, StageEntry]]) -> None:
        """Check that the rankings exist, of all the models."""
        require_ranked(where, self, self.rankings, tables)

    def change(self, workspace: Workspace) -> ValueChange:
        """Return the sentences, and how their translations are judged."""
        if self.sandbox is not None:
            options = self.sandbox.model_dump()
            return sandbox_change(self.layer, self.value, seed=workspace.study.seed, **options)
        assert self.corpus is not None
        assert self.lexicon is not None
        assert self.wanted is not None
        lexicon = self.lexicon.lexicon(workspace, self.layer)
        sentences = workspace.corpus(self.corpus)
        return ValueChange.with_lexicon(sentences, self.layer, self.value, self.wanted, lexicon)


class ControlStage(EditedStage):
    """Control every model of an entry by every ranking; the output is one record for each."""

    name = "control"
    entry = ControlEntry
    refused: ClassVar[dict[str, str]] = {"nlm": "is a language model, and control compares translations"}

    def measure(
        self, workspace: Workspace, entry: ControlEntry, model: str, ranking: Ranking, progress: Progress
    ) -> Control:
        """Return how often one model's translations change."""
        return control(
            workspace.model(model),
            ranking if entry.label is None else ranking.label(entry.label),
            entry.change(workspace),
            workspace.activations(model, entry.reference, ranking.space.sites),
            where=None if entry.where is None else places_of(entry.where),
            seed=workspace.study.seed,
            progress=progress,
            **entry.parameters,
        )
