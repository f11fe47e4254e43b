"""The task of a model by the name of its class, known before the model is loaded."""

from __future__ import annotations

from onegrain.records.provenance import Provenance

__all__ = ["architecture_of", "continues", "translates"]

CONTINUING = ("ForCausalLM", "LMHead", "LSTMLanguageModel")
"""Parts of the names of classes that continue a text."""
TRANSLATING = ("Translation", "ForConditionalGeneration", "MTModel", "Seq2Seq")
"""Parts of the names of classes that translate."""


def continues(architecture: str) -> bool:
    """Return True if models of a class continue a text.

    >>> continues("GPT2LMHeadModel"), continues("MarianMTModel")
    (True, False)
    """
    return any(mark in architecture for mark in CONTINUING)


def translates(architecture: str) -> bool:
    """Return True if models of a class translate.

    >>> translates("MarianMTModel"), translates("BertModel")
    (True, False)
    """
    return any(mark in architecture for mark in TRANSLATING)


def architecture_of(provenance: Provenance) -> str:
    """Return the name of the class of the model that a record or store is about; empty if it does not say."""
    model = provenance.subject()
    return "" if model is None else model.architecture
