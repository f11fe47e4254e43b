"""The sandbox language: English sentences with exact French and German translations, generated from a seed.

``grammar`` and ``entities`` draw a ``meaning`` with ``dice``, choosing its words from ``lexicon``. Three
realisers (``english``, ``french``, ``german``) turn it into a sentence and give every word its gold labels.
``pairs`` changes one property of a sentence, so that a pair of them differs in nothing else.
"""

from __future__ import annotations

from onegrain.synthetic.sandbox.changes import sandbox_change
from onegrain.synthetic.sandbox.generate import LANGUAGES, SandboxParts, sandbox, sandbox_parts
from onegrain.synthetic.sandbox.pairs import PROPERTIES, sandbox_pairs

__all__ = [
    "LANGUAGES",
    "PROPERTIES",
    "SandboxParts",
    "sandbox",
    "sandbox_change",
    "sandbox_pairs",
    "sandbox_parts",
]
