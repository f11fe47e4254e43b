"""Output of the verbs: progress as bars or plain lines, tables, JSON, and error messages."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from onegrain.core.pace import Pace, time_left
from onegrain.core.text import visible

if TYPE_CHECKING:
    import pandas as pd

    from onegrain.core.progress import Progress

__all__ = ["emit", "emit_table", "fail", "note", "progress", "show_table"]

LINE_SECONDS = 10.0

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


class _Shown:
    """A progress on standard error: tasks as a function opens them, and lines of text."""

    def __init__(
        self, open_task: Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]
    ) -> None:
        self._open_task = open_task

    def __call__(
        self, description: str, total: int, unit: str
    ) -> AbstractContextManager[Callable[[int], None]]:
        return self._open_task(description, total, unit)

    def announce(self, text: str) -> None:
        note(text)
        _write_notes()


def progress() -> Progress:
    """Return progress bars on a terminal, and plain lines elsewhere; both go to standard error."""
    return _Shown(_bars if sys.stderr.isatty() else _lines)


@contextmanager
def _bars(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    _write_notes()
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}", markup=False),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(visible(description), total=total, unit=unit, rate="", left="")
        pace = Pace(total)

        def advance(done: int) -> None:
            pace.add(done)
            bars.advance(task, done)
            bars.update(task, rate=_speed(pace.rate), left=time_left(pace.seconds_left))

        yield advance


@contextmanager
def _lines(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    _write_notes()
    last = time.monotonic()
    pace = Pace(total)

    def line() -> None:
        facts = f"{pace.done:,} of {total:,} {unit}", _speed(pace.rate), time_left(pace.seconds_left)
        sys.stderr.write(f"{visible(description)}: {', '.join(filter(None, facts))}\n")
        sys.stderr.flush()

    def advance(done: int) -> None:
        nonlocal last
        pace.add(done)
        if time.monotonic() - last >= LINE_SECONDS:
            last = time.monotonic()
            line()

    yield advance
    line()


def _speed(rate: float) -> str:
    """Return units per second, or seconds per unit for slow units."""
    if rate <= 0:
        return ""
    return f"{rate:,.1f}/s" if rate >= 1 else f"{1 / rate:,.1f} s each"


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
