"""``onegrain compare STORE STORE``: how alike two models are as wholes."""

from __future__ import annotations

from pathlib import Path

from onegrain.cli.console import emit_table, progress

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
    from onegrain.core.output import require_free
    from onegrain.core.similarity import MEASURES
    from onegrain.rankings import similarity

    if out is not None:
        require_free(out, force=force)
    first, second = (open_activations(store).restrict(sites) for store in stores)
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
        found.save(out, force=force)
    emit_table(found.table, f"Similarity of sites, {found.details['words']:,} words", as_json)
