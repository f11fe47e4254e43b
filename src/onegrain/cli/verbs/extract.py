"""``onegrain extract``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onegrain.cli.console import emit, progress
from onegrain.cli.options.computing import Device
from onegrain.cli.options.corpus import CorpusOptions
from onegrain.cli.options.engine import EngineOptions
from onegrain.cli.options.groups import with_groups
from onegrain.cli.options.model import Dictionaries, LoadingOptions
from onegrain.cli.options.neurons import Sites
from onegrain.cli.options.output import Force, Json, out_option
from onegrain.cli.options.words import WordOptions

if TYPE_CHECKING:
    from onegrain.activations.extraction.planning import ExtractionPlan

NAME = "extract"


@dataclass(frozen=True)
class StoreOptions:
    """The options for what a store holds."""

    sites: Sites = None
    dtype: Annotated[
        str, typer.Option(help="Precision of the store: float32, or float16 for half the space.")
    ] = "float32"
    special_tokens: Annotated[
        bool, typer.Option("--special-tokens", help="Also store the tokens around a sentence, as rows.")
    ] = False
    bos: Annotated[
        bool | None,
        typer.Option(
            "--bos/--no-bos",
            help="Put the start token before sentences where the tokenizer does not; by default for language "
            "models, as they are scored.",
        ),
    ] = None


@with_groups
def run(
    model: Annotated[str, typer.Argument(help="Model folder or hub id.")],
    corpus: Annotated[Path, typer.Argument(help="Corpus file.")],
    out: Annotated[str, out_option("Store to write, *.zarr, a folder or a URL such as s3://...")],
    *,
    storing: StoreOptions,
    words: WordOptions,
    engine: EngineOptions,
    device: Device = None,
    loading: LoadingOptions,
    dictionary: Dictionaries = None,
    text: CorpusOptions,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Read a corpus with a model and store the activations of its neurons at every word.

    An interrupted run resumes when it is started again.
    """
    from onegrain.activations.store.places.locate import folder_at
    from onegrain.activations.store.writer import require_writable

    require_writable(folder_at(out), force=force)
    read = text.read(corpus)
    from onegrain.activations import extract
    from onegrain.cli.repeating import already_made

    runner = engine.create()
    announced: list[ExtractionPlan] = []

    def announce(plan: ExtractionPlan) -> None:
        announced.append(plan)
        typer.echo(f"{plan} into {out}", err=True)

    arguments: dict[str, Any] = {**asdict(storing), **words.arguments(), "engine": runner, "force": force}
    loaded = loading.load(model, device, dictionary)
    store = extract(loaded, read, out, **arguments, progress=progress(), announce=announce)
    if not announced:
        raise already_made(out)
    facts = {"store": out, "words": store.n_words, "without activation": int((~store.present).sum())}
    emit({**facts, "neurons": store.n_neurons}, as_json)
