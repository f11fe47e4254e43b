"""``onegrain extract``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.console import emit, progress
from onegrain.cli.options.computing import Device
from onegrain.cli.options.corpus import Columns, Format, Labels, Limit, Lower, Target, corpus_from
from onegrain.cli.options.engine import Address, EngineName, Workers
from onegrain.cli.options.model import (
    AllowPickle,
    DeviceMap,
    Dictionaries,
    ModelDtype,
    OffloadFolder,
    SourceLanguage,
    TargetLanguage,
    TrustRemoteCode,
    model_from,
)
from onegrain.cli.options.neurons import Sites
from onegrain.cli.options.output import Force, Json, out_option
from onegrain.cli.options.words import Aggregate, BatchSize, Long, Side

NAME = "extract"


def run(
    model: Annotated[str, typer.Argument(help="Model folder or hub id.")],
    corpus: Annotated[Path, typer.Argument(help="Corpus file.")],
    out: Annotated[str, out_option("Store to write, *.zarr, a folder or a URL such as s3://...")],
    sites: Sites = None,
    aggregate: Aggregate = "last",
    dtype: Annotated[
        str, typer.Option(help="Precision of the store: float32, or float16 for half the space.")
    ] = "float32",
    side: Side = None,
    long: Long = "error",
    special_tokens: Annotated[
        bool, typer.Option("--special-tokens", help="Also store the tokens around a sentence, as rows.")
    ] = False,
    bos: Annotated[
        bool | None,
        typer.Option(
            "--bos/--no-bos",
            help="Put the start token before sentences where the tokenizer does not; by default for language "
            "models, as they are scored.",
        ),
    ] = None,
    batch_size: BatchSize = 64,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    device: Device = None,
    device_map: DeviceMap = None,
    offload_folder: OffloadFolder = None,
    model_dtype: ModelDtype = "float32",
    dictionary: Dictionaries = None,
    labels: Labels = None,
    format: Format = None,
    columns: Columns = None,
    target: Target = None,
    lower: Lower = False,
    limit: Limit = None,
    trust_remote_code: TrustRemoteCode = False,
    allow_pickle: AllowPickle = False,
    source_language: SourceLanguage = None,
    target_language: TargetLanguage = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Read a corpus with a model and store the activations of its neurons at every word.

    An interrupted run resumes when it is started again.
    """
    from onegrain.activations.store.places.locate import folder_at
    from onegrain.activations.store.writer import require_writable

    require_writable(folder_at(out), force=force)
    words = corpus_from(
        corpus, target=target, labels=labels, format=format, columns=columns, limit=limit, lower=lower
    )
    from typing import Any, cast

    from onegrain.activations import extract
    from onegrain.activations.extraction.planning import ExtractionPlan
    from onegrain.cli.repeating import already_made
    from onegrain.engines import engine_named

    runner = engine_named(engine, address=address, workers=workers)
    loaded = model_from(
        model,
        device=device,
        device_map=device_map,
        offload_folder=offload_folder,
        dtype=model_dtype,
        dictionaries=dictionary,
        trust_remote_code=trust_remote_code,
        allow_pickle=allow_pickle,
        source_language=source_language,
        target_language=target_language,
    )
    announced: list[ExtractionPlan] = []

    def announce(plan: ExtractionPlan) -> None:
        announced.append(plan)
        typer.echo(f"{plan} into {out}", err=True)

    store = extract(
        loaded,
        words,
        out,
        sites=sites,
        aggregate=aggregate,
        dtype=dtype,
        side=cast(Any, side),
        long=long,
        special_tokens=special_tokens,
        bos=bos,
        batch_size=batch_size,
        engine=runner,
        force=force,
        progress=progress(),
        announce=announce,
    )
    if not announced:
        raise already_made(out)
    emit(
        {
            "store": out,
            "words": store.n_words,
            "without activation": int((~store.present).sum()),
            "neurons": store.n_neurons,
        },
        as_json,
    )
