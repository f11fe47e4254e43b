"""``onegrain search``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from onegrain.cli.console import emit, progress, show_table
from onegrain.cli.options.groups import with_groups
from onegrain.cli.options.output import Force, Json, out_option

NAME = "search"


@dataclass(frozen=True)
class ConceptOptions:
    """The options that name the words of a concept; one of the first four is given."""

    word: Annotated[
        list[str] | None, typer.Option("--word", "-w", help="Word of the concept; may be repeated.")
    ] = None
    word_list: Annotated[
        Path | None, typer.Option("--word-list", help="File with the words of the concept, one per line.")
    ] = None
    regex: Annotated[
        str | None,
        typer.Option("--regex", help="Regular expression that must match all of a word, such as '.+ing'."),
    ] = None
    label: Annotated[str | None, typer.Option("--label", "-l", help="Label of the words of the concept.")] = (
        None
    )
    layer: Annotated[
        str | None,
        typer.Option("--layer", help="Label layer of --label; needed if several layers have the label."),
    ] = None

    def arguments(self) -> dict[str, Any]:
        """Return the options as keywords of :func:`onegrain.search`."""
        from onegrain.errors import ParameterError

        if self.word and self.word_list is not None:
            raise ParameterError("--word and --word-list both name words; give one of them")
        words = self.word_list if self.word_list is not None else self.word
        return {"words": words or None, "regex": self.regex, "label": self.label, "layer": self.layer}


@with_groups
def run(
    store: Annotated[str, typer.Argument(help="Store, a folder or a URL.")],
    *,
    concept: ConceptOptions,
    rows: Annotated[int, typer.Option(help="Number of rows to print.")] = 20,
    out: Annotated[Path | None, out_option("Record to write, *.parquet.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Score every neuron for a concept: a word list, a regular expression or a label."""
    from onegrain.core.output import require_writable_output
    from onegrain.searching import search

    if out is not None:
        require_writable_output(out, force=force, suffixes=(".parquet",))
    record = search(store, progress=progress(), **concept.arguments())
    if out is not None:
        record.save(out, force=force)
    facts = record.summary() | ({} if out is None else {"written": str(out)})
    best = record.to_pandas()
    if as_json:
        shown = best.head(rows).astype(object)
        emit(facts | {"neurons": shown.where(shown.notna(), None).to_dict("records")}, True)
        return
    emit(facts, False)
    show_table(best, "Neurons by AUROC", rows=rows)
