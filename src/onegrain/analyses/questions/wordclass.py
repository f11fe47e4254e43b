"""The open-class and closed-class part-of-speech tags, in one explicit table for each tag set.

Open classes take new members (nouns, verbs, adjectives, adverbs, interjections, foreign words); closed ones
do not (determiners, prepositions, pronouns, auxiliaries, ...); punctuation, symbols and leftovers are
``other``. UPOS follows the Universal Dependencies guidelines; Penn and Brown follow the manuals of their
treebanks. The Brown set tags ``be``, ``do`` and ``have`` alike as auxiliaries and as main verbs; they count
as closed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["OPEN_CLASS", "TAG_SETS", "tag_set", "word_classes"]

_UPOS = {
    "open": "ADJ ADV INTJ NOUN PROPN VERB",
    "closed": "ADP AUX CCONJ CONJ DET NUM PART PRON SCONJ",
    "other": "PUNCT SYM X",
}
_PENN = {
    "open": "FW JJ JJR JJS NN NNS NNP NNPS RB RBR RBS UH VB VBD VBG VBN VBP VBZ",
    "closed": "CC CD DT EX IN MD PDT POS PRP PRP$ RP TO WDT WP WP$ WRB",
    "other": "# $ '' ( ) , -LRB- -RRB- . : ADD AFX GW HYPH LS NFP SYM XX ``",
}
_BROWN = {
    "open": "FW JJ JJ$ JJR JJS JJT NN NN$ NNS NNS$ NP NP$ NPS NPS$ NR NR$ NRS RB RB$ RBR RBT RN UH "
    "VB VBD VBG VBN VBZ",
    "closed": "* ABL ABN ABX AP AP$ AT BE BED BEDZ BEG BEM BEN BER BEZ CC CD CD$ CS DO DOD DOZ DT DT$ DTI "
    "DTS DTX EX HV HVD HVG HVN HVZ IN MD OD PN PN$ PP$ PP$$ PPL PPLS PPO PPS PPSS QL QLP RP TO WDT WP$ WPO "
    "WPS WQL WRB",
    "other": "' '' ( ) , -- . : NIL ``",
}

TAG_SETS: Mapping[str, Mapping[str, str]] = {
    name: {tag: kind for kind, tags in table.items() for tag in tags.split()}
    for name, table in (("upos", _UPOS), ("penn", _PENN), ("brown", _BROWN))
}
"""Tag set -> tag -> ``open``, ``closed`` or ``other``."""

OPEN_CLASS: Mapping[str, tuple[str, ...]] = {
    name: tuple(tag for tag, kind in table.items() if kind == "open") for name, table in TAG_SETS.items()
}
"""Tag set -> its open-class tags."""

COVERAGE = 0.75
"""A tag set is recognised when it knows at least this share of the labels."""


def _bare(label: str, name: str) -> str:
    """Return a label as its tag set lists it, without Brown's FW-, -HL, -TL, -NC marks and contractions."""
    if name != "brown":
        return label
    tag = label.upper()
    if tag.startswith("FW-"):
        return "FW"
    for mark in ("-HL", "-TL", "-NC"):
        tag = tag.replace(mark, "")
    head = tag.split("+")[0]
    return head if head in ("*", "") else head.rstrip("*")


def tag_set(labels: Sequence[str]) -> str | None:
    """Return the tag set that knows most of the labels, or None if none knows 75 %: upos, penn or brown.

    The whole set of labels decides, because one label alone may mean different things: ``POS`` is a
    closed-class Penn tag, and *possibility* among semantic tags.

    >>> tag_set(["NOUN", "VERB", "DET"]), tag_set(["NN", "DT", "VBD"]), tag_set(["B-NP", "I-NP", "O"])
    ('upos', 'penn', None)
    """
    if not labels:
        return None
    known = {name: sum(_bare(label, name) in table for label in labels) for name, table in TAG_SETS.items()}
    best = max(known, key=lambda name: known[name])
    return best if known[best] >= COVERAGE * len(labels) else None


def word_classes(labels: Sequence[str]) -> dict[str, str | None]:
    """Return label -> ``open``, ``closed``, ``other``, or None if the labels are of no known tag set.

    >>> word_classes(["NOUN", "DET", "PUNCT"])
    {'NOUN': 'open', 'DET': 'closed', 'PUNCT': 'other'}
    """
    name = tag_set(labels)
    if name is None:
        return dict.fromkeys(labels)
    return {label: TAG_SETS[name].get(_bare(label, name)) for label in labels}
