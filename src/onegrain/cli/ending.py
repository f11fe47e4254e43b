"""The end of a command: ``--debug``, and one line for each error, whether onegrain raised it or not."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["Interrupted", "close_quietly", "quiet_hooks", "split_debug", "unforeseen"]

INTERRUPTED = 130
DEBUG = "--debug"
TRACKER = "the issue tracker of onegrain"
LONGEST = 300


class Interrupted(SystemExit):
    """The end of a command that Ctrl-C interrupted, with a line that says what it kept."""

    def __init__(self, remark: str) -> None:
        super().__init__(INTERRUPTED)
        self.remark = remark


def split_debug(arguments: Sequence[str], command: Any) -> tuple[list[str], bool]:
    """Return the arguments without ``--debug``, and whether it was among them.

    An argument that is the value of an option, as in ``--title --debug``, or that follows ``--``, is kept.

    Args:
        arguments: the arguments of the command line, without the program's name.
        command: the command with its verbs.
    """
    kept: list[str] = []
    debug = expects_value = False
    for position, argument in enumerate(arguments):
        if argument == "--" and not expects_value:
            return [*kept, *arguments[position:]], debug
        if argument == DEBUG and not expects_value:
            debug = True
            continue
        kept.append(argument)
        if expects_value:
            expects_value = False
        elif argument.startswith("-"):
            expects_value = "=" not in argument and _takes_value(command, argument)
        else:
            command = getattr(command, "commands", {}).get(argument, command)
    return kept, debug


def _takes_value(command: Any, name: str) -> bool:
    """Return True if an option of a command takes a value."""
    for parameter in command.params:
        if name in (*parameter.opts, *parameter.secondary_opts):
            return not getattr(parameter, "is_flag", False) and not getattr(parameter, "count", False)
    return False


def unforeseen(error: BaseException, arguments: Sequence[str]) -> str:
    """Return the line for an error that onegrain did not raise: what failed, in which verb, and what to do."""
    from onegrain.core.text import visible
    from onegrain.records.provenance import package_version

    words = [argument for argument in arguments[:2] if not argument.startswith("-")]
    groups = ("analyse", "train")
    verb = " ".join(words[: 2 if words and words[0] in groups else 1]) or "onegrain"
    text = visible(" ".join(str(error).split()))
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    if isinstance(error, MemoryError):
        return (
            f"{verb} needs more memory than this machine gives it{f' ({text})' if text else ''}; close other "
            "programs, or give it less at once: fewer sites, a smaller batch, fewer words"
        )
    report = (
        f"please report it to {TRACKER}, with this line, the command, the version ({package_version()}), and "
        f"what the same command with {DEBUG} prints"
    )
    if isinstance(error, OSError) and error.strerror:
        where = "" if error.filename is None else f" for {visible(str(error.filename))}"
        return f"{verb} ended because the system says {error.strerror!r}{where}; if it should not, {report}"
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{verb} ended by an error that onegrain did not foresee ({what}); {report}"


@contextmanager
def quiet_hooks(debug: bool) -> Iterator[None]:
    """Keep the tracebacks of threads and of collected objects off standard error, unless ``debug`` is set."""
    if debug:
        yield
        return

    def thread(failure: threading.ExceptHookArgs) -> None:
        _line(f"a thread ended by {failure.exc_type.__name__}: {failure.exc_value}; add {DEBUG} to see where")

    def collected(failure: Any) -> None:
        """Print nothing, because an error while an object is collected changes no result."""

    before = threading.excepthook, sys.unraisablehook
    threading.excepthook, sys.unraisablehook = thread, collected
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = before


def _line(text: str) -> None:
    with suppress(OSError, ValueError):
        sys.stderr.write(f"onegrain: {' '.join(text.split())}\n")


def close_quietly() -> None:
    """Redirect standard output to the null device, so that flushing its buffer raises no second error."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
