"""Corpora: readers of files, annotation and control tasks."""

from __future__ import annotations

from onegrain.corpora.annotation import (
    LabelFunction,
    annotate_regex,
    annotate_with,
    annotate_words,
    read_word_list,
)
from onegrain.corpora.control import control_task
from onegrain.corpora.lexicon import ending_lexicon, value_lexicon
from onegrain.corpora.lines import read_parallel
from onegrain.corpora.readers import FORMATS, as_corpus, guess_format, read_corpus

__all__ = [
    "FORMATS",
    "LabelFunction",
    "annotate_regex",
    "annotate_with",
    "annotate_words",
    "as_corpus",
    "control_task",
    "ending_lexicon",
    "guess_format",
    "read_corpus",
    "read_parallel",
    "read_word_list",
    "value_lexicon",
]
