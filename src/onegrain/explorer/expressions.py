"""Regular expressions from a request, matched in a process of their own that ends when its time is over.

Python's expressions can take exponential time, and nothing in the process can stop them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable

from onegrain.errors import ParameterError

__all__ = ["LONGEST_PATTERN", "MATCH_SECONDS", "matching"]

LONGEST_PATTERN = 200
MATCH_SECONDS = 2.0
"""Time limit of one expression on all words of a store."""
PROGRAM = """
import json, re, sys
pattern, words = json.load(sys.stdin)
matches = re.compile(pattern).fullmatch
json.dump([number for number, word in enumerate(words) if matches(word)], sys.stdout)
"""


def matching(pattern: str, words: Iterable[str], seconds: float = MATCH_SECONDS) -> frozenset[str]:
    """Return the words that a regular expression matches from their first to their last character.

    >>> sorted(matching(".+ing", ["sing", "singer", "ring"]))
    ['ring', 'sing']

    Raises:
        ParameterError: the pattern is too long, is no regular expression, or takes too long.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise ParameterError(f"a regular expression may have up to {LONGEST_PATTERN} characters")
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as fault:
        raise ParameterError(f"{pattern!r} is not a regular expression: {fault}") from fault
    listed = list(dict.fromkeys(words))
    command = [sys.executable, "-I", "-S", "-c", PROGRAM]
    try:
        done = subprocess.run(
            command, input=json.dumps([pattern, listed]).encode(), capture_output=True, timeout=seconds
        )
    except subprocess.TimeoutExpired as fault:
        raise ParameterError(
            f"the regular expression {pattern!r} takes longer than {seconds:g} s on the words of this store; "
            "write one without nested repetition"
        ) from fault
    if done.returncode:
        raise ParameterError(f"the regular expression {pattern!r} cannot be matched")
    return frozenset(listed[number] for number in json.loads(done.stdout))
