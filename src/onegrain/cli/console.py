"""What the verbs share: progress on a terminal or in plain lines, tables, JSON, and how an error ends."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    import pandas as pd

    from onegrain.core.progress import Progress

__all__ = ["Force", "Json", "Sites", "emit", "emit_table", "fail", "progress", "show_table"]

LINE_SECONDS = 10.0
AT_ONCE_SECONDS = 0.01

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the output if it is there already.")]
Sites = Annotated[
    list[str] | None,
    typer.Option(
        "--sites",
        help="Glob pattern of site names (* stays between two dots, ** crosses them), or a module path; may be "
        "repeated.",
    ),
]


def fail(message: str, code: int = 1) -> NoReturn:
    """Print one line to standard error and end with the exit code."""
    line = " ".join(message.split())
    sys.stderr.write(f"onegrain: {line}\n")
    sys.exit(code)


def progress() -> Progress:
    """A bar with a rate and the time left on a terminal; plain lines elsewhere. Both go to standard error."""
    return _bars if sys.stderr.isatty() else _lines


@contextmanager
def _bars(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task, pace = bars.add_task(description, total=total, unit=unit, rate=""), _Pace()

        def advance(done: int) -> None:
            bars.advance(task, done)
            bars.update(task, rate=f"{pace.add(done):,.1f}/s")

        yield advance


@contextmanager
def _lines(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    last = time.monotonic()
    finished, pace = 0, _Pace()

    def line(rate: float) -> None:
        speed = f", {rate:,.1f}/s, {(total - finished) / rate:,.0f} s left" if rate > 0 else ""
        sys.stderr.write(f"{description}: {finished:,} of {total:,} {unit}{speed}\n")
        sys.stderr.flush()

    def advance(done: int) -> None:
        nonlocal finished, last
        finished += done
        rate, now = pace.add(done), time.monotonic()
        if now - last >= LINE_SECONDS:
            last = now
            line(rate)

    yield advance
    line(pace.add(0))


class _Pace:
    """Units a second, of those that were not done before: what is told of at once, an earlier run did."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._done = 0

    def add(self, done: int) -> float:
        seconds = time.monotonic() - self._began
        self._done += done if seconds > AT_ONCE_SECONDS else 0
        return self._done / max(seconds, AT_ONCE_SECONDS)


def emit(facts: dict[str, Any], as_json: bool) -> None:
    """Print facts: one JSON object, or one line each."""
    if as_json:
        typer.echo(json.dumps(facts, sort_keys=True, default=_plain))
        return
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        typer.echo(f"{name.ljust(width)}  {_brief(value)}")


def emit_table(frame: pd.DataFrame, title: str, as_json: bool) -> None:
    """Print a table: one JSON object of its rows, NaN as null, or as :func:`show_table` does."""
    if as_json:
        emit({"title": title, "rows": frame.astype(object).where(frame.notna(), None).to_dict("records")}, True)
    else:
        show_table(frame, title)


def show_table(frame: pd.DataFrame, title: str, *, rows: int | None = None) -> None:
    """Print a table to standard output; of a long one the first rows."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in frame.columns:
        numeric = frame[name].dtype.kind in "iuf"
        table.add_column(str(name), justify="right" if numeric else "left")
    shown = frame if rows is None else frame.head(rows)
    for row in shown.itertuples(index=False):
        table.add_row(*(_brief(value) for value in row))
    console = Console()
    console.print(table)
    if len(shown) < len(frame):
        console.print(f"... {len(frame) - len(shown)} rows more")


def _brief(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e5 else f"{value:,.0f}"
    return "" if value is None else str(value)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
