"""The hash of everything in a corpus: words, running text, labels and the other side."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from onegrain.records.corpus import Corpus

__all__ = ["corpus_digest"]


def corpus_digest(corpus: Corpus, *, documents: bool = False) -> str:
    """Return a SHA-256 (hex) that changes with any word or label of a corpus or of its parallel side.

    With ``documents``, it also changes with the division into documents.

    >>> a, b = (Corpus.from_sentences([["a", word]]) for word in "bc")
    >>> corpus_digest(a) == corpus_digest(a), corpus_digest(a) == corpus_digest(b)
    (True, False)
    """
    digest = hashlib.sha256(corpus.content_hash.encode())
    for name, layer in sorted(corpus.layers.items()):
        digest.update(json.dumps([name, layer.vocabulary]).encode())
        digest.update(np.ascontiguousarray(layer.codes, dtype="<i4").tobytes())
    if documents:
        digest.update(np.ascontiguousarray(corpus.documents, dtype="<i8").tobytes())
    if corpus.target is not None:
        digest.update(corpus_digest(corpus.target).encode())
    return digest.hexdigest()
