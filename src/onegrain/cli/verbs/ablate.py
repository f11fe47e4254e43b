"""``onegrain ablate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from onegrain.cli.console import Force, Json, emit, progress
from onegrain.cli.options.corpus import Format, Limit, Lower
from onegrain.cli.options.metric import counts_from, metric_from
from onegrain.cli.options.model import (
    AllowPickle,
    Device,
    DeviceMap,
    Dictionaries,
    ModelDtype,
    OffloadFolder,
    SourceLanguage,
    TargetLanguage,
    TrustRemoteCode,
    model_from,
)
from onegrain.cli.repeating import already_made, holds_request, request_hash, with_request

NAME = "ablate"


def run(
    model: Annotated[str, typer.Argument(help="A model folder or hub id.")],
    ranking: Annotated[Path, typer.Argument(help="The ranking whose neurons are erased.")],
    data: Annotated[list[Path], typer.Argument(help="Text for perplexity; source and target for bleu.")],
    metric: Annotated[str, typer.Option(help="perplexity, bleu or chrf.")],
    out: Annotated[Path, typer.Option(help="The curve to write, *.parquet.")],
    steps: Annotated[int, typer.Option(help="How many counts of erased neurons, after none.")] = 20,
    counts: Annotated[
        str | None, typer.Option(help="The counts, comma-separated, in place of --steps.")
    ] = None,
    max_erased: Annotated[int | None, typer.Option(help="The largest count; all neurons by default.")] = None,
    label: Annotated[str | None, typer.Option(help="Erase by this label's own order.")] = None,
    random_orders: Annotated[int, typer.Option(help="Random orders in the band.")] = 5,
    edit: Annotated[str, typer.Option(help="What erased neurons are replaced by: zero.")] = "zero",
    beams: Annotated[int, typer.Option(help="Beam width of translation; 1 is greedy.")] = 1,
    tokenize: Annotated[str, typer.Option(help="sacrebleu's tokenizer; none for tokenised text.")] = "none",
    seed: Annotated[int, typer.Option(help="Of the random orders.")] = 0,
    no_bos: Annotated[
        bool,
        typer.Option(
            "--no-bos", help="Measure a language model without the start token that is put before sentences."
        ),
    ] = False,
    batch_size: Annotated[int, typer.Option(help="Sentences at once.")] = 64,
    format: Format = None,
    lower: Lower = False,
    limit: Limit = None,
    device: Device = None,
    device_map: DeviceMap = None,
    offload_folder: OffloadFolder = None,
    model_dtype: ModelDtype = "float32",
    dictionary: Dictionaries = None,
    trust_remote_code: TrustRemoteCode = False,
    allow_pickle: AllowPickle = False,
    source_language: SourceLanguage = None,
    target_language: TargetLanguage = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Erase ranked neurons in the running model and measure it: from the top, the bottom, and at random."""
    from onegrain.core.output import require_free, require_writable_output
    from onegrain.interventions import ablate
    from onegrain.records.identity import corpus_digest
    from onegrain.records.ranking import Ranking

    require_writable_output(out, force=force or out.is_file(), suffixes=(".parquet",))
    order = Ranking.load(ranking)
    measured = metric_from(
        metric, data, beams=beams, tokenize=tokenize, lower=lower, limit=limit, format=format
    )
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
    if no_bos:
        loaded = loaded.without_start_token()
    options: dict[str, Any] = {
        "steps": steps,
        "counts": counts_from(counts),
        "max_erased": max_erased,
        "random_orders": random_orders,
        "edit": edit,
        "seed": seed,
        "batch_size": batch_size,
    }
    request = request_hash(
        "ablate",
        model=loaded.identity,
        dictionaries=dictionary,
        ranking=[order.provenance, order.order_hash, label],
        metric=[metric, corpus_digest(measured.corpus), beams, tokenize],
        options=options,
        loading=[device, model_dtype, source_language, target_language, no_bos],
    )
    if not force and holds_request(out, request):
        raise already_made(out)
    require_free(out, force=force)
    ranked = order if label is None else order.label(label)
    curve = with_request(ablate(loaded, ranked, measured, progress=progress(), **options), request)
    curve.save(out, force=force)
    facts: dict[str, object] = {"curve": str(out), "metric": curve.metric, "intact": curve.intact}
    for line in dict.fromkeys(curve.points["line"]):
        facts[f"{line} erased"] = {int(r.erased): float(r.value) for r in curve.line(line).itertuples()}
    emit(facts, as_json)
