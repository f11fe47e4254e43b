"""The sandbox language: English sentences with exact French and German translations, generated from a seed.

A meaning (``meaning``) is drawn by a grammar (``grammar``, ``entities``, from ``dice``) over a lexicon
(``lexicon``), and said by three realisers (``english``, ``french``, ``german``), each
of which gives every word its gold labels.
"""

from __future__ import annotations

from onegrain.synthetic.sandbox.generate import LANGUAGES, SandboxParts, sandbox, sandbox_parts

__all__ = ["LANGUAGES", "SandboxParts", "sandbox", "sandbox_parts"]
