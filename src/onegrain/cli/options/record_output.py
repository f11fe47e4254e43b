"""The options of verbs that write one record, and the steps that they share: check, recognise, save, print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from onegrain.cli.console import emit, show_table
from onegrain.cli.options.model import LoadingOptions
from onegrain.cli.options.output import Force, Json, out_option
from onegrain.cli.repeating import already_made, holds_request, request_hash, with_request

if TYPE_CHECKING:
    import pandas as pd

    from onegrain.models import LoadedModel
    from onegrain.records.corpus import Corpus
    from onegrain.records.ranking import Ranking

__all__ = ["RecordOutput", "request_of_edit"]


@dataclass(frozen=True)
class RecordOutput:
    """The record to write, and how a verb prints it."""

    out: Annotated[Path, out_option("Record to write, *.parquet.")]
    force: Force = False
    as_json: Json = False

    def require_writable(self) -> None:
        """Check, before any work, that the record can be written."""
        from onegrain.core.output import require_writable_output

        require_writable_output(self.out, force=self.force or self.out.is_file(), suffixes=(".parquet",))

    def require_new(self, request: str) -> None:
        """Check that the same command has not made the record already, and that nothing else is in its place.

        Raises:
            AlreadyDoneError: the record is that of the same request.
            OutputExistsError: another file is there, and ``--force`` is not given.
        """
        from onegrain.core.output import require_free

        if not self.force and holds_request(self.out, request):
            raise already_made(self.out)
        require_free(self.out, force=self.force)

    def save(self, record: Any, request: str) -> None:
        """Save a record with the hash of its request."""
        with_request(record, request).save(self.out, force=self.force)

    def show(
        self,
        facts: Mapping[str, Any],
        tables: Mapping[str, pd.DataFrame],
        keys: Mapping[str, pd.DataFrame],
    ) -> None:
        """Print facts with tables under their headings, or as one JSON object with those under ``keys``."""
        if self.as_json:
            emit({**facts, **{key: table.to_dict("records") for key, table in keys.items()}}, True)
            return
        emit(dict(facts), False)
        for heading, table in tables.items():
            show_table(table, heading)


def request_of_edit(
    verb: str,
    model: LoadedModel,
    ranking: Ranking,
    *,
    loading: LoadingOptions,
    device: str | None,
    dictionaries: list[str] | None,
    corpora: Mapping[str, Corpus | None],
    **facts: Any,
) -> str:
    """Return the hash of a request to edit the neurons of a ranking in a model.

    Args:
        verb: the verb.
        model: the loaded model.
        ranking: the ranking.
        loading: the options with which the model was loaded.
        device: the device that it was loaded on.
        dictionaries: the dictionaries that were added, SITE=FOLDER.
        corpora: the corpora that the result depends on, by their part in it.
        facts: everything else that the result depends on.
    """
    from onegrain.records.identity import corpus_digest

    read = {name: None if corpus is None else corpus_digest(corpus) for name, corpus in corpora.items()}
    return request_hash(
        verb,
        model=model.identity,
        dictionaries=dictionaries,
        ranking=[ranking.provenance, ranking.order_hash],
        corpora=read,
        loading=[device, asdict(loading)],
        **facts,
    )
