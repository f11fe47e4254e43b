"""``onegrain control``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onegrain.cli.console import progress
from onegrain.cli.options.computing import Device, Seed
from onegrain.cli.options.corpus import FileOptions
from onegrain.cli.options.editing import Recurrent, open_reference
from onegrain.cli.options.groups import with_groups
from onegrain.cli.options.model import Dictionaries, LoadingOptions
from onegrain.cli.options.neurons import LabelName
from onegrain.cli.options.record_output import RecordOutput, request_of_edit
from onegrain.cli.options.words import BatchSize

if TYPE_CHECKING:
    from onegrain.records.value_change import ValueChange

NAME = "control"


@dataclass(frozen=True)
class SettingOptions:
    """The options for which neurons are set, and how far."""

    k: Annotated[int, typer.Option("--k", "-k", help="Number of neurons that are set together.")] = 1
    betas: Annotated[
        str,
        typer.Option(help="How far the means of the two values are moved apart, comma-separated."),
    ] = "0,1,2,4"
    random_sets: Annotated[int, typer.Option(help="Number of random sets of k neurons.")] = 10
    recurrent: Recurrent = False
    beams: Annotated[int, typer.Option(help="Beam width; 1 is greedy.")] = 1
    max_new_tokens: Annotated[int, typer.Option(help="Largest number of subwords to write.")] = 128
    seed: Seed = 0
    batch_size: BatchSize = 64

    def arguments(self) -> dict[str, Any]:
        """Return the options as keywords of :func:`onegrain.control`."""
        return {**asdict(self), "betas": _numbers(self.betas)}


@dataclass(frozen=True)
class ChangeOptions:
    """The options for the property, its values, and how translations are judged."""

    property: Annotated[str, typer.Option(help="Label layer of the property, such as Number.")]
    value: Annotated[str, typer.Option(help="Value that the sentences have, such as Sing.")]
    wanted: Annotated[
        str | None, typer.Option(help="Value that translations should get; needed with --data.")
    ] = None
    sentences: Annotated[int, typer.Option(help="Number of sandbox sentences, if there is no --data.")] = 200
    languages: Annotated[
        str, typer.Option(help="Languages of the sandbox sentences and their translations, such as en-fr.")
    ] = "en-fr"
    data: Annotated[
        Path | None,
        typer.Option(help="Labelled source sentences, in place of those of the sandbox language."),
    ] = None
    lexicon: Annotated[
        Path | None,
        typer.Option(
            help="With --data: word list of the target language, with a word, a tab and its value in each "
            "line; or a labelled corpus, from which the list is made."
        ),
    ] = None

    def change(self, corpus: FileOptions, seed: int) -> ValueChange:
        """Return the sentences and how their translations are judged."""
        from onegrain.errors import ParameterError
        from onegrain.records.value_change import ValueChange
        from onegrain.synthetic import sandbox_change

        if self.data is None:
            return self._of_sandbox(corpus, seed, sandbox_change)
        if self.lexicon is None or self.wanted is None:
            raise ParameterError("--data needs --wanted, and --lexicon to judge translations by")
        lexicon = _lexicon(self.lexicon, self.property)
        return ValueChange.with_lexicon(corpus.read(self.data), self.property, self.value, self.wanted, lexicon)

    def _of_sandbox(self, corpus: FileOptions, seed: int, sandbox_change: Any) -> ValueChange:
        from onegrain.errors import ParameterError

        if self.lexicon is not None or corpus != FileOptions():
            raise ParameterError("--lexicon and the options of a corpus are for --data; name that file")
        language, dash, parallel = self.languages.partition("-")
        if not dash:
            raise ParameterError(f"--languages takes two languages such as en-fr, got {self.languages!r}")
        change: ValueChange = sandbox_change(
            self.property, self.value, self.sentences, seed=seed, language=language, parallel=parallel
        )
        if self.wanted not in (None, change.wanted):
            raise ParameterError(f"the other value of {self.property} is {change.wanted}, not {self.wanted!r}")
        return change


@with_groups
def run(
    model: Annotated[str, typer.Argument(help="Translation model, a folder or hub id.")],
    ranking: Annotated[Path, typer.Argument(help="Ranking whose first neurons are set.")],
    reference: Annotated[
        str,
        typer.Option(
            "--reference",
            help="Store of the model's activations, or statistics of its neurons, for edits that need one.",
        ),
    ],
    *,
    output: RecordOutput,
    changing: ChangeOptions,
    setting: SettingOptions,
    label: LabelName = None,
    corpus: FileOptions,
    device: Device = None,
    loading: LoadingOptions,
    dictionary: Dictionaries = None,
) -> None:
    """Set ranked neurons so that translations change a value, such as singular to plural, and count successes.

    The sentences are those of the sandbox language, whose right translations are known, or those of --data.
    Random neurons of the same sites are set in the same way.
    """
    from onegrain.interventions import control
    from onegrain.records.ranking import Ranking

    output.require_writable()
    loaded_ranking = Ranking.load(ranking)
    options = setting.arguments()
    change = changing.change(corpus, setting.seed)
    statistics = open_reference(reference)
    loaded_model = loading.load(model, device, dictionary)
    request = request_of_edit(
        NAME,
        loaded_model,
        loaded_ranking,
        loading=loading,
        device=device,
        dictionaries=dictionary,
        corpora={"sentences": change.corpus},
        change=[label, change.layer, change.value, change.wanted, change.lexicon],
        reference=statistics.provenance,
        options=options,
    )
    output.require_new(request)
    if label is not None:
        loaded_ranking = loaded_ranking.label(label)
    record = control(loaded_model, loaded_ranking, change, statistics, progress=progress(), **options)
    output.save(record, request)
    facts = {name: fact for name, fact in record.summary().items() if name != "record"}
    heading = "Share of translations with the wanted value, by beta, with 95 % intervals"
    output.show(
        {"control": str(output.out), **facts},
        {heading: record.comparison()},
        {"comparison": record.comparison()},
    )


def _numbers(text: str) -> list[float]:
    from onegrain.errors import ParameterError

    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ParameterError(f"--betas takes numbers with commas between them, got {text!r}") from None


def _lexicon(path: Path, layer: str) -> dict[str, str]:
    """Return the lexicon of a word list, or of a labelled corpus."""
    from onegrain.corpora import read_corpus, read_word_list, value_lexicon
    from onegrain.errors import ParameterError

    if path.suffix not in (".tsv", ".txt"):
        return value_lexicon(read_corpus(path), layer)
    words = read_word_list(path)
    if not isinstance(words, dict):
        raise ParameterError(f"{path} has no values; write a word, a tab and its value in each line")
    return words
