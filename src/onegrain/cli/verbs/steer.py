"""``onegrain steer``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onegrain.cli.console import emit, note, progress
from onegrain.cli.options.computing import Device
from onegrain.cli.options.corpus import FileOptions
from onegrain.cli.options.editing import EditingOptions, PlaceOptions
from onegrain.cli.options.groups import with_groups
from onegrain.cli.options.model import Dictionaries, LoadingOptions
from onegrain.cli.options.neurons import LabelName, Neurons
from onegrain.cli.options.output import Json
from onegrain.cli.options.sweeping import Pairs, pairs_from
from onegrain.cli.options.words import BatchSize

if TYPE_CHECKING:
    from onegrain.interventions import Intervention
    from onegrain.interventions.steering import Steering
    from onegrain.records.corpus import Corpus

NAME = "steer"


@with_groups
def run(
    model: Annotated[str, typer.Argument(help="Model folder or hub id.")],
    texts: Annotated[
        list[str] | None, typer.Argument(help="Text to continue or translate; several may follow.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="File of sentences to continue or translate, in place of texts.")
    ] = None,
    neurons: Neurons = None,
    ranking: Annotated[Path | None, typer.Option(help="Ranking whose first neurons are set.")] = None,
    top: Annotated[int | None, typer.Option(help="Number of the first neurons of --ranking.")] = None,
    label: LabelName = None,
    interventions: Annotated[
        Path | None, typer.Option(help="JSON file of interventions, in place of --neuron and --edit.")
    ] = None,
    *,
    corpus: FileOptions,
    editing: EditingOptions,
    places: PlaceOptions,
    pairs: Pairs = None,
    beams: Annotated[int, typer.Option(help="Beam width; 1 is greedy.")] = 1,
    max_new_tokens: Annotated[int, typer.Option(help="Largest number of subwords to write.")] = 40,
    batch_size: BatchSize = 64,
    device: Device = None,
    loading: LoadingOptions,
    dictionary: Dictionaries = None,
    as_json: Json = False,
) -> None:
    """Set neurons, and show what the model writes before and after, with the changed words marked.

    A language model continues each text, a translation model translates it.
    """
    from onegrain.interventions import steer

    chosen = (
        _edited(_names(neurons or [], ranking, top, label), editing, places)
        if interventions is None
        else _saved(interventions, neurons, ranking, editing, places)
    )
    to_write, values = _texts(texts, data, corpus), editing.opened().reference
    steering = steer(
        loading.load(model, device, dictionary),
        chosen,
        to_write,
        reference=values,
        pairs=pairs_from(pairs, format=corpus.format, lower=corpus.lower, limit=corpus.limit),
        beams=beams,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        progress=progress(),
    )
    if as_json:
        emit(steering.to_json(), True)
    else:
        _show(steering)


def _texts(texts: list[str] | None, data: Path | None, options: FileOptions) -> list[str] | Corpus:
    """Return the texts of the command line, or the sentences of a file."""
    from onegrain.errors import ParameterError

    if bool(texts) == (data is not None):
        raise ParameterError("give either texts or --data, a file of sentences")
    if data is not None:
        return options.read(data)
    if options != FileOptions():
        raise ParameterError("--labels, --format, --columns, --lower and --limit are of --data; name that file")
    return list(texts or [])


def _names(neurons: list[str], ranking: Path | None, top: int | None, label: str | None) -> list[str]:
    """Return the neurons that the options name, and the first of a ranking."""
    from onegrain.errors import ParameterError
    from onegrain.records.ranking import Ranking

    if (ranking is None) != (top is None):
        raise ParameterError("--ranking and --top belong together: the first neurons of a ranking are set")
    if label is not None and ranking is None:
        raise ParameterError("--label orders the neurons of --ranking; give --ranking, or leave out --label")
    names = list(neurons)
    if ranking is not None and top is not None:
        loaded = Ranking.load(ranking)
        loaded = loaded if label is None else loaded.label(label)
        names += loaded.top(loaded.require_k(top))
    if not names:
        raise ParameterError(
            "name neurons: --neuron SITE:UNIT, --ranking FILE --top K, or --interventions FILE"
        )
    return names


def _edited(names: list[str], editing: EditingOptions, places: PlaceOptions) -> list[Intervention]:
    """Return the edit of some neurons."""
    from onegrain.interventions import Intervention

    return [Intervention.of(names, edit=editing.edit, where=places.where(), recurrent=places.recurrent)]


def _saved(
    path: Path,
    neurons: list[str] | None,
    ranking: Path | None,
    editing: EditingOptions,
    places: PlaceOptions,
) -> list[Intervention]:
    """Return the interventions of a file, which options of single edits may not stand beside."""
    from onegrain.errors import ParameterError
    from onegrain.interventions import load_interventions

    if neurons or ranking is not None or editing.edit != EditingOptions.edit or places != PlaceOptions():
        raise ParameterError(
            "--interventions names neurons, edits and places; leave out --neuron, --ranking, --edit, --at-... "
            "and --recurrent"
        )
    return load_interventions(path)


def _show(steering: Steering) -> None:
    """Print each text with its output: changed words in colour on a terminal, else between brackets."""
    from onegrain.core.differences import marked

    note("; ".join(str(intervention) for intervention in steering.interventions))
    for number, text in enumerate(steering.texts):
        differences = steering.differences(number)
        facts = {"text": text, "before": steering.before[number]}
        if not any(part.changed for part in differences):
            emit(facts | {"after": "unchanged"}, False)
        elif sys.stdout.isatty():
            emit(facts, False)
            _print_coloured(steering, number)
        else:
            emit(facts | {"after": marked(differences)}, False)


def _print_coloured(steering: Steering, number: int) -> None:
    """Print the output after the edit, removed words struck through in red, added words in green."""
    from rich.console import Console
    from rich.text import Text

    from onegrain.core.text import visible

    line = Text("after   ")
    for part in steering.differences(number):
        for words, style in ((part.before, "red strike"), (part.after, "green")):
            if words and (part.changed or style == "green"):
                line.append(visible(" ".join(words)) + " ", style if part.changed else "")
    Console(markup=False, emoji=False, highlight=False).print(line)
