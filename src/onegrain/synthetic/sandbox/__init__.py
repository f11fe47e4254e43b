"""The sandbox language: English sentences with exact French and German translations, generated from a seed.

``grammar`` and ``entities`` draw a ``meaning`` with ``dice``, choosing its words from ``lexicon``. Three
realisers (``english``, ``french``, ``german``) turn it into a sentence and give every word its gold labels.
"""

from __future__ import annotations

from onegrain.synthetic.sandbox.generate import LANGUAGES, SandboxParts, sandbox, sandbox_parts

__all__ = ["LANGUAGES", "SandboxParts", "sandbox", "sandbox_parts"]
