"""Limits and switches of an explorer."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """The limits and switches of an explorer.

    Attributes:
        token: what a visitor must send once, in the address, if the explorer listens beyond this machine; empty
            if no token is needed.
        hosts: names that the ``Host`` header of a request may have; with a token, also any address written as
            numbers.
        longest_text: the largest number of characters of a typed text.
        most_neurons: the largest number of neurons in one edit.
        most_sweeps: sweeps that may wait or run at once.
        most_texts: texts that may wait for a model or run on it at once.
        model_seconds: time limit of one text on the model.
        salt: a secret of this process, for nonces and ETags.
    """

    token: str = ""
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")
    longest_text: int = 4000
    most_neurons: int = 2000
    most_sweeps: int = 4
    most_texts: int = 16
    model_seconds: float = 120.0
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
