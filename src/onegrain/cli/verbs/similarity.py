"""``onegrain compare STORE STORE``: how alike two models are as wholes."""

from __future__ import annotations

from pathlib import Path

from onegrain.cli.console import emit_table, progress
from onegrain.cli.repeating import already_made, holds_request, identity_of, request_hash, with_request

__all__ = ["compare_models"]


def compare_models(
    stores: list[str],
    *,
    measure: list[str] | None,
    sites: list[str] | None,
    by_site: bool,
    variance: float,
    memory: str | None,
    device: str | None,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Print, and write if ``out`` is given, the similarity of every two sites."""
    from onegrain.activations import open_activations
    from onegrain.core.output import require_free, require_writable_output
    from onegrain.rankings import similarity
    from onegrain.records.similarity import MEASURES

    if out is not None:
        require_writable_output(out, force=force or out.is_file(), suffixes=(".parquet",))
    first, second = (open_activations(store).restrict(sites) for store in stores)
    request = request_hash(
        "compare",
        stores=[identity_of(*pair) for pair in zip((first, second), stores, strict=True)],
        options=[measure, by_site, variance, device],
    )
    if out is not None:
        if not force and holds_request(out, request):
            raise already_made(out)
        require_free(out, force=force)
    found = similarity(
        first,
        second,
        measures=measure or MEASURES,
        by_site=by_site,
        variance=variance,
        memory=memory,
        device=device,
        progress=progress(),
    )
    if out is not None:
        with_request(found, request).save(out, force=force)
    emit_table(found.table, f"Similarity of sites, {found.details['words']:,} words", as_json)
