"""Output of the verbs: progress as bars or plain lines, tables, JSON, and error messages."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from onegrain.core.text import visible

if TYPE_CHECKING:
    import pandas as pd

    from onegrain.core.progress import Progress

__all__ = ["emit", "emit_table", "fail", "note", "progress", "show_table"]

LINE_SECONDS = 10.0
AT_ONCE_SECONDS = 0.01

_NOTES: list[str] = []


def fail(message: str, code: int = 1) -> NoReturn:
    """Print one line to standard error and exit with the code."""
    _NOTES.clear()
    line = visible(_with_option(" ".join(message.split()), sys.argv[1:]))
    sys.stderr.write(f"onegrain: {_writable(line, sys.stderr)}\n")
    sys.exit(code)


def note(text: str) -> None:
    """Keep lines that are not results, and print them to standard error before progress and results.

    A verb that fails before that prints the error alone.
    """
    _NOTES.extend(text.splitlines())


def _write_notes() -> None:
    for line in _NOTES:
        sys.stderr.write(_writable(visible(line), sys.stderr) + "\n")
    _NOTES.clear()


def _with_option(message: str, arguments: Sequence[str]) -> str:
    """Return a message behind the option whose value it names, if it does not name the option itself."""
    split = [part for text in arguments for part in (text.split("=", 1) if text.startswith("--") else [text])]
    for option, value in pairwise(split):
        if not _is_option(option) or value.startswith("--") or option in message:
            continue
        value = value.rpartition("=")[2]
        about = f"{value!r}" in message or message.startswith((f"{value}:", f"{value} "))
        if len(value) > 1 and about:
            return f"{option} {value}: {message.removeprefix(f'{value}: ')}"
    return message


def _is_option(argument: str) -> bool:
    """Return True for a long option, and for a short one such as ``-o``."""
    return argument.startswith("--") or (len(argument) == 2 and argument[0] == "-" and argument[1].isalpha())


def progress() -> Progress:
    """Return progress bars on a terminal, and plain lines elsewhere; both go to standard error."""
    return _bars if sys.stderr.isatty() else _lines


@contextmanager
def _bars(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    _write_notes()
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}", markup=False),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task, pace = bars.add_task(visible(description), total=total, unit=unit, rate=""), _Pace()

        def advance(done: int) -> None:
            bars.advance(task, done)
            bars.update(task, rate=_speed(pace.add(done)))

        yield advance


@contextmanager
def _lines(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    _write_notes()
    last = time.monotonic()
    finished, pace = 0, _Pace()

    def line(rate: float) -> None:
        speed = f", {_speed(rate)}, {(total - finished) / rate:,.0f} s left" if rate > 0 else ""
        counted = f"{finished:,} of {total:,} {unit}{speed}"
        sys.stderr.write(f"{visible(description)}: {counted}\n")
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


def _speed(rate: float) -> str:
    """Return units per second, or seconds per unit for slow units."""
    if rate <= 0:
        return ""
    return f"{rate:,.1f}/s" if rate >= 1 else f"{1 / rate:,.1f} s each"


class _Pace:
    """A rate in units per second that leaves out what an earlier run had done, reported at the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._done = 0

    def add(self, done: int) -> float:
        seconds = time.monotonic() - self._began
        self._done += done if seconds > AT_ONCE_SECONDS else 0
        return self._done / max(seconds, AT_ONCE_SECONDS)


def emit(facts: dict[str, Any], as_json: bool) -> None:
    """Print facts as one JSON object, or one per line; numbers are rounded on a terminal only."""
    _write_notes()
    if as_json:
        typer.echo(json.dumps(_without_nan(facts), sort_keys=True, default=_plain))
        return
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        _print(f"{visible(name).ljust(width)}  {visible(_text(value))}")


def emit_table(frame: pd.DataFrame, title: str, as_json: bool) -> None:
    """Print a table as one JSON object of its rows, with null for NaN, or as :func:`show_table` does."""
    if as_json:
        emit({"title": title, "rows": frame.to_dict("records")}, True)
    else:
        show_table(frame, title)


def show_table(frame: pd.DataFrame, title: str, *, rows: int | None = None) -> None:
    """Print a table to standard output, or its first ``rows`` rows.

    On a terminal the table has rules, rounded numbers and folded cells. Elsewhere cells are separated by tabs
    and numbers have all digits, below a line ``# title`` and a line of column names.
    """
    _write_notes()
    shown = frame if rows is None else frame.head(rows)
    left = f"... {len(frame) - len(shown):,} rows more" if len(shown) < len(frame) else None
    if sys.stdout.isatty():
        _ruled(shown, title, left)
        return
    _print(f"# {visible(title)}")
    _print("\t".join(visible(str(name)) for name in frame.columns))
    for row in shown.itertuples(index=False, name=None):
        _print("\t".join(visible(_text(value)) for value in row))
    if left is not None:
        _print(f"# {left}")


def _ruled(frame: pd.DataFrame, title: str, left: str | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(visible(title)), title_justify="left")
    for name in frame.columns:
        numeric = frame[name].dtype.kind in "iuf"
        table.add_column(Text(visible(str(name))), justify="right" if numeric else "left", overflow="fold")
    for row in frame.itertuples(index=False, name=None):
        table.add_row(*(Text(_writable(visible(_text(value)), sys.stdout)) for value in row))
    console = Console(markup=False, emoji=False, highlight=False)
    console.print(table)
    if left is not None:
        console.print(left)


def _print(line: str) -> None:
    typer.echo(_writable(line, sys.stdout))


def _writable(text: str, stream: Any) -> str:
    """Return the text with escapes for characters that the stream's encoding lacks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _text(value: Any) -> str:
    """Return a value as text: numbers are rounded on a terminal only, missing values are empty."""
    if isinstance(value, Real) and not isinstance(value, Integral):
        if value != value:
            return ""
        if not sys.stdout.isatty():
            return str(value)
        number = float(value)
        return f"{number:,.4g}" if abs(number) < 1e5 else f"{number:,.0f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return "" if value is None else str(value)


def _without_nan(value: Any) -> Any:
    """Return the value with None for NaN and infinities, which JSON lacks."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return _without_nan(value.tolist())
    return str(value)
