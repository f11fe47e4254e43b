"""Names that become names of files and folders."""

from __future__ import annotations

import re

from onegrain.errors import ParameterError

__all__ = ["LONGEST_NAME", "is_name", "require_name"]

LONGEST_NAME = 100
"""Characters of the longest name; two of them and an ending fit into the 255 bytes of a file's name."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def is_name(name: object) -> bool:
    """Return True if a name may become the name of a file or folder.

    >>> [is_name(name) for name in ("en_ewt-2.14", "../up", "", ".hidden", "a/b")]
    [True, False, False, False, False]
    """
    return isinstance(name, str) and len(name) <= LONGEST_NAME and NAME.fullmatch(name) is not None


def require_name(name: object, what: str) -> str:
    """Return the name unchanged if it may become the name of a file or folder.

    Args:
        name: as the user or a file gave it.
        what: the place of the name, for the message, such as ``study.toml: the name of a model``.

    Raises:
        ParameterError: it has other characters than letters, digits, ``.``, ``_`` and ``-``, does not begin
            with a letter or a digit, or is too long.
    """
    if isinstance(name, str) and is_name(name):
        return name
    shown = repr(name) if len(repr(name)) <= LONGEST_NAME else f"{repr(name)[:LONGEST_NAME]}..."
    raise ParameterError(
        f"{what} becomes the name of a file, so it must be at most {LONGEST_NAME} characters: "
        f"letters (A-Z, a-z), digits, '.', '_' and '-', the first a letter or digit; got {shown}"
    )
