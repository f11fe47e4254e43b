"""Headings that group options in the help of a verb."""

from __future__ import annotations

__all__ = ["ABLATION", "COMPUTING", "CORPUS", "ENGINE", "MODEL", "OUTPUT", "PROBES", "WORDS"]

CORPUS = "Corpus"
WORDS = "Words"
MODEL = "Model"
ENGINE = "Engine"
PROBES = "Probes"
ABLATION = "Ablation"
COMPUTING = "Computation"
OUTPUT = "Output"
