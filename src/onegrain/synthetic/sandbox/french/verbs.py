"""French conjugation for the sandbox language: the persons je, tu, il, nous and ils."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["conjugate", "participle"]

# infinitive: present je tu il nous ils | participle | future stem (where it is not the infinitive)
_IRREGULAR_TABLE = """
être: suis es est sommes sont | été | ser
avoir: ai as a avons ont | eu | aur
aller: vais vas va allons vont | allé | ir
venir: viens viens vient venons viennent | venu | viendr
dormir: dors dors dort dormons dorment | dormi |
mentir: mens mens ment mentons mentent | menti |
courir: cours cours court courons courent | couru | courr
mourir: meurs meurs meurt mourons meurent | mort | mourr
rire: ris ris rit rions rient | ri |
sourire: souris souris sourit sourions sourient | souri |
voir: vois vois voit voyons voient | vu | verr
boire: bois bois boit buvons boivent | bu |
croire: crois crois croit croyons croient | cru |
connaître: connais connais connaît connaissons connaissent | connu |
ouvrir: ouvre ouvres ouvre ouvrons ouvrent | ouvert |
offrir: offre offres offre offrons offrent | offert |
suivre: suis suis suit suivons suivent | suivi |
écrire: écris écris écrit écrivons écrivent | écrit |
décrire: décris décris décrit décrivons décrivent | décrit |
dire: dis dis dit disons disent | dit |
peindre: peins peins peint peignons peignent | peint |
construire: construis construis construit construisons construisent | construit |
promettre: promets promets promet promettons promettent | promis |
comprendre: comprends comprends comprend comprenons comprennent | compris |
vouloir: veux veux veut voulons veulent | voulu | voudr
pouvoir: peux peux peut pouvons peuvent | pu | pourr
devoir: dois dois doit devons doivent | dû | devr
pleuvoir: pleus pleus pleut pleuvons pleuvent | plu | pleuvr
envoyer: envoie envoies envoie envoyons envoient | envoyé | enverr
"""
_IMPERFECT = ("ais", "ais", "ait", "ions", "aient")
_FUTURE = ("ai", "as", "a", "ons", "ont")
_SUBJUNCTIVE = ("e", "es", "e", "ions", "ent")


def _irregular() -> dict[str, tuple[tuple[str, ...], str, str]]:
    table = {}
    for line in _IRREGULAR_TABLE.strip().splitlines():
        infinitive, _, rest = line.partition(": ")
        present, past, future = (field.strip() for field in (rest + " ").split("|"))
        table[infinitive] = (tuple(present.split()), past, future)
    return table


_IRREGULAR = _irregular()


@lru_cache(maxsize=1024)
def _present(infinitive: str) -> tuple[str, ...]:
    if infinitive in _IRREGULAR:
        return _IRREGULAR[infinitive][0]
    stem = infinitive[:-2]
    if infinitive.endswith("re"):
        return stem + "s", stem + "s", stem, stem + "ons", stem + "ent"
    stressed = _stressed(stem)
    soft = "e" if stem.endswith("g") else ""
    return stressed + "e", stressed + "es", stressed + "e", stem + soft + "ons", stressed + "ent"


def _stressed(stem: str) -> str:
    """Return the stem before a silent ending: achet- becomes achèt-, espér- espèr-, nettoy- nettoi-."""
    if stem.endswith(("oy", "uy")):
        return stem[:-1] + "i"
    if len(stem) > 2 and stem[-2] in "eé" and stem[-1] not in "aeiouéè":
        return stem[:-2] + "è" + stem[-1]
    return stem


def _future_stem(infinitive: str) -> str:
    if infinitive in _IRREGULAR and _IRREGULAR[infinitive][2]:
        return _IRREGULAR[infinitive][2]
    if infinitive.endswith("re"):
        return infinitive[:-1]
    stem = infinitive[:-2]
    if infinitive.endswith("er") and (stem.endswith("y") or (len(stem) > 2 and stem[-2] == "e")):
        return _stressed(stem) + "er"
    return infinitive


@lru_cache(maxsize=4096)
def conjugate(infinitive: str, tense: str, person: int, plural: bool) -> str:
    """Return one finite form of a verb.

    Args:
        infinitive: the verb.
        tense: ``pres`` (present), ``imp`` (imperfect), ``fut`` (future) or ``sub`` (present subjunctive).
        person: 1, 2 or 3; the sandbox does not use the second person plural.
        plural: True for the plural.

    >>> conjugate("manger", "imp", 3, False), conjugate("voir", "fut", 1, True)
    ('mangeait', 'verrons')
    """
    person_index = 3 if plural and person == 1 else 4 if plural else person - 1
    present = _present(infinitive)
    if tense == "pres":
        return present[person_index]
    if tense == "fut":
        return _future_stem(infinitive) + _FUTURE[person_index]
    ending = _IMPERFECT[person_index]
    stem = "ét" if infinitive == "être" else present[3].removesuffix("ons")
    if stem.endswith("ge") and ending.startswith("i"):
        stem = stem[:-1]
    if tense == "imp" or person_index == 3:
        return stem + ending
    return present[4].removesuffix("ent") + _SUBJUNCTIVE[person_index]


@lru_cache(maxsize=4096)
def participle(infinitive: str, feminine: bool, plural: bool) -> str:
    """Return the past participle in a gender and number.

    >>> participle("promettre", False, True), participle("voir", True, True)
    ('promis', 'vues')
    """
    if infinitive in _IRREGULAR:
        base = _IRREGULAR[infinitive][1]
    elif infinitive.endswith("re"):
        base = infinitive[:-2] + "u"
    else:
        base = infinitive[:-2] + "é"
    base += "e" if feminine else ""
    return base + ("s" if plural and not base.endswith("s") else "")
