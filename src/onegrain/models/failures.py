"""Turn the many errors that other libraries raise for a model folder into one clear error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from onegrain.errors import ModelError, OnegrainError

__all__ = ["as_model_error", "few_of", "reason"]


@contextmanager
def as_model_error(what: str) -> Iterator[None]:
    """Turn an exception raised inside the block into a ModelError: ``what`` and the reason, in one line.

    Errors of onegrain pass through, and so do exceptions that end the process. BaseException is caught because
    Rust libraries panic with an exception that is not an ``Exception``.
    """
    try:
        yield
    except OnegrainError:
        raise
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise ModelError(f"{what}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """Return the first line of an error's text that has words, with its type if the text is short."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    lines = [line.strip() for line in str(error).splitlines()]
    text = next((line for line in lines if any(map(str.isalnum, line))), "")
    if isinstance(error, (KeyError, AttributeError, TypeError, IndexError)) or len(text.split()) < 2:
        return f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text


def few_of(names: Iterable[str]) -> str:
    """Return the names as text; of more than four, the first three and their number."""
    listed = list(names)
    if len(listed) <= 4:
        return ", ".join(listed)
    return f"{', '.join(listed[:3])}, ... ({len(listed)} in all)"
