"""Details that a record lacks end in an error that names the record; other errors keep their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from onegrain.cli.verbs.show import run
from onegrain.core.sealing import using
from onegrain.errors import LabelError, RecordError
from support.records import RECORDS


@pytest.mark.parametrize("name", ["clusters.parquet", "evaluation.parquet", "stability.parquet"])
@pytest.mark.parametrize("as_json", [True, False])
def test_details_that_show_needs_and_that_are_missing_are_named(
    name: str, as_json: bool, tmp_path: Path
) -> None:
    make, load = RECORDS[name]
    make().save(tmp_path / name)
    load(tmp_path / name)
    with pytest.raises(RecordError, match=rf"{name} cannot be shown.*it has no '\w+'.*make the record again"):
        run(str(tmp_path / name), as_json=as_json)


def test_errors_with_a_name_keep_it() -> None:
    for error in (LabelError("no label 'x'"), BrokenPipeError(), MemoryError()):
        with pytest.raises(type(error)) as raised, using("a.parquet"):
            raise error
        assert raised.value is error
    with (
        pytest.raises(RecordError, match=r"a\.parquet cannot be shown.*type 'int'") as caught,
        using("a.parquet"),
    ):
        len(7)  # type: ignore[arg-type]
    assert isinstance(caught.value.__cause__, TypeError)
