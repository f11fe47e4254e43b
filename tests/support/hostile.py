"""Records whose words, labels, names and models try to become markup, paths, formulas or terminal commands."""

from __future__ import annotations

import os
from pathlib import Path

import onegrain as og
from onegrain.core.progress import silent
from onegrain.records.corpus import Corpus
from support.tiny import tiny_nlm

__all__ = ["HOSTILE", "make_hostile_study"]

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></table><svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{7*7}}{%raw%}",
    "=cmd|'/C calc'!A0",
    "\x1b[31mred\x07",
    "\u202egnp.exe",
    "]]><!--",
    "&lt;b&gt;",
    "../../../../etc/passwd",
    "\x00nul",
    "\u2028line",
    "%3Cb%3E",
)
"""Texts that would do harm if a page, file or terminal took them for more than text."""


def make_hostile_study(folder: Path) -> Path:
    """Make a model, a store, rankings and a damaged file with hostile names and content; return the folder."""
    out = folder / "<blink>study&amp;"
    for name in ("models", "activations", "rankings"):
        (out / name).mkdir(parents=True)
    model = tiny_nlm(out / "models" / '"><img src=x onerror=alert(1)>')
    sentences = [[*HOSTILE[start:], *HOSTILE[:start]] for start in range(len(HOSTILE))] * 2
    labels = [[HOSTILE[len(word) % 4] for word in words] for words in sentences]
    layers = {"<blink>upos</blink>": labels, "kind": labels}
    corpus = Corpus.from_sentences(sentences, layers, source="<script>alert(2)</script>")
    store = og.extract(
        model, corpus, out / "activations" / "' autofocus onfocus=alert(1) x='.zarr", progress=silent
    )
    for method, name in (("probeless", "<script>alert(3)<"), ("iou", "\u202e\x1b[31m\n")):
        ranking = og.rank(method, store, label="<blink>upos</blink>", progress=silent)
        ranking.save(out / "rankings" / f"{name}.parquet")
    (out / "rankings" / "<img src=x onerror=alert(4)>.parquet").write_bytes(b"PAR1")
    with open(os.fsencode(out / "rankings") + b"/\xff\xfe<blink>.parquet", "wb") as file:
        file.write((out / "rankings" / "<script>alert(3)<.parquet").read_bytes())
    return out
