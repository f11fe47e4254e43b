"""German conjugation for the sandbox language: present and preterite of ich, du, er, wir and sie."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["conjugate"]

# infinitive: ich, du, er; the forms of wir and sie are the infinitive, except for sein
_PRESENT = {
    "sein": ("bin", "bist", "ist"), "haben": ("habe", "hast", "hat"), "werden": ("werde", "wirst", "wird"),
    "können": ("kann", "kannst", "kann"), "müssen": ("muss", "musst", "muss"),
    "wollen": ("will", "willst", "will"),
    "dürfen": ("darf", "darfst", "darf"), "mögen": ("mag", "magst", "mag"),
}  # fmt: skip


@lru_cache(maxsize=8192)
def conjugate(forms: tuple[str, str, str, str], tense: str, person: int, plural: bool) -> str:
    """Return one finite form of a verb.

    Args:
        forms: infinitive, third person singular present, first person singular preterite, past participle.
        tense: ``pres`` or ``past`` (preterite).
        person: 1, 2 or 3; the sandbox does not use the second person plural.
        plural: True for the plural.

    >>> conjugate(("sehen", "sieht", "sah", "gesehen"), "pres", 2, False)
    'siehst'
    >>> conjugate(("finden", "findet", "fand", "gefunden"), "past", 2, False)
    'fandest'
    """
    infinitive, third, preterite, _ = forms
    if tense == "past":
        return _preterite(preterite, person, plural)
    if plural:
        return "sind" if infinitive == "sein" else infinitive
    if infinitive in _PRESENT:
        return _PRESENT[infinitive][person - 1]
    if person == 3:
        return third
    return _first(infinitive) if person == 1 else _second(third)


def _preterite(preterite: str, person: int, plural: bool) -> str:
    weak = preterite.endswith("te")
    if plural:
        return preterite + ("n" if weak else "en")
    if person != 2:
        return preterite
    return preterite + ("est" if not weak and preterite.endswith(("t", "d", "s", "ß")) else "st")


def _first(infinitive: str) -> str:
    """Return the first person singular present: schlafe, lächle, zittere."""
    if infinitive.endswith("eln"):
        return infinitive[:-3] + "le"
    return infinitive[:-1] if infinitive.endswith("en") else infinitive[:-1] + "e"


def _second(third: str) -> str:
    """Return the second person singular present from the third: schläft gives schläfst, isst stays isst."""
    if third.endswith(("st", "ßt", "zt", "xt")) and not third.endswith("est"):
        return third
    return third[:-1] + "st"
