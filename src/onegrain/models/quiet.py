"""Keep other libraries from writing to the terminal."""

from __future__ import annotations

import logging as standard_logging
from collections.abc import Iterator
from contextlib import contextmanager

from transformers.utils import logging

__all__ = ["quiet_accelerate", "quiet_transformers"]


@contextmanager
def quiet_accelerate() -> Iterator[None]:
    """Suppress accelerate's messages about the placement of weights inside the block."""
    logger = standard_logging.getLogger("accelerate.big_modeling")
    level = logger.level
    logger.setLevel(standard_logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def quiet_transformers(*, warnings: bool) -> Iterator[None]:
    """Suppress the progress bars of transformers inside the block; its warnings too if not ``warnings``."""
    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    if not warnings:
        logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
