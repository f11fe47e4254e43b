"""The sandbox's words other than nouns and verbs: adjectives, adverbs, names, towns, numerals, days, months."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ADJECTIVES", "FREQUENCY", "HOURS", "MANNER", "MANNER_OF_DOING", "MONTHS", "NAMES", "NUMERALS",
    "PLACE_ADVERBS", "TIME_ADVERBS", "TOWNS", "WEEKDAYS", "Adjective", "Name", "Word",
]  # fmt: skip

_LIVING = "person animal"
_THING = "artifact clothes surface food plant"

# English | French masculine/feminine/masculine before a vowel | German/stem | noun groups that it describes.
# ^: before the French noun. Missing forms follow the rule; a fourth French form marks an invariable adjective.
_ADJECTIVES = f"""
good | ^bon/bonne | gut | person animal artifact location food dish drink communication act cognition event
old | ^vieux/vieille/vieil | alt | person animal artifact clothes surface location communication
new | ^nouveau/nouvelle/nouvel | neu | artifact clothes surface location cognition act event communication
small | ^petit | klein | {_LIVING} {_THING} location nature
big | ^grand | groß | {_LIVING} {_THING} location nature event
young | ^jeune | jung | {_LIVING}
beautiful | ^beau/belle/bel | schön | {_LIVING} {_THING} location nature communication event act
little | ^petit | klein | person animal artifact location
light | léger/légère | leicht | artifact clothes
red | rouge | rot | {_THING}
open | ouvert | offen | location
happy | heureux/heureuse | glücklich | {_LIVING}
bad | ^mauvais | schlecht | person food dish drink communication act cognition
cold | froid | kalt | food dish drink nature location part
black | noir | schwarz | animal {_THING}
clean | propre | sauber | {_LIVING} artifact clothes surface location
tired | fatigué | müde | {_LIVING}
white | blanc/blanche | weiß | animal artifact clothes surface location
long | ^long/longue | lang | communication act event
rich | riche | reich | person location
strong | fort | stark | {_LIVING}
hard | dur | hart | surface dish
fast | rapide | schnell | {_LIVING} artifact
warm | chaud | warm | dish drink clothes
empty | vide | leer | location artifact
expensive | cher/chère | teuer/teur | {_THING} location event
green | vert | grün | {_THING} nature
sick | malade | krank | {_LIVING}
dry | sec/sèche | trocken | clothes surface plant
poor | pauvre | arm | person animal
famous | célèbre | berühmt | person location communication
blue | bleu | blau | artifact clothes surface nature
sad | triste | traurig | {_LIVING} communication
strange | étrange | seltsam | {_LIVING} artifact location communication act cognition
clever | intelligent | klug | {_LIVING}
dangerous | dangereux/dangereuse | gefährlich | {_LIVING} location act cognition
simple | simple | einfach | cognition communication act
important | important | wichtig | person communication act cognition event
interesting | intéressant | interessant | person communication cognition act location
broken | cassé | kaputt | artifact surface
orange | orange/orange/orange/- | orangefarben | artifact clothes
friendly | gentil/gentille | freundlich | person animal
wild | sauvage | wild | animal nature plant
lazy | paresseux/paresseuse | faul | {_LIVING}
fresh | frais/fraîche | frisch | food dish drink
hungry | affamé | hungrig | {_LIVING}
round | rond | rund | artifact surface
heavy | lourd | schwer | artifact surface
nervous | nerveux/nerveuse | nervös | {_LIVING}
angry | furieux/furieuse | wütend | {_LIVING}
quiet | calme | ruhig | {_LIVING} location
sweet | sucré | süß | food drink
brave | courageux/courageuse | mutig | {_LIVING}
narrow | étroit | eng | location
modern | moderne | modern | location artifact
"""

_MANNER = """
well | bien | gut; slowly | lentement | langsam; fast | vite | schnell; quietly | doucement | leise
hard | dur | hart; badly | mal | schlecht; early | tôt | früh; late | tard | spät
carefully | prudemment | vorsichtig; loudly | bruyamment | laut; secretly | secrètement | heimlich
happily | joyeusement | fröhlich; together | ensemble | zusammen; bravely | courageusement | mutig
"""
_FREQUENCY = """
often | souvent | oft; always | toujours | immer; sometimes | parfois | manchmal
usually | généralement | meistens; rarely | rarement | selten
"""
_TIME_ADVERBS = """
today | aujourd'hui | heute | any; yesterday | hier | gestern | past; now | maintenant | jetzt | pres
tomorrow | demain | morgen | fut; soon | bientôt | bald | fut
"""
_PLACE_ADVERBS = (
    "here | ici | hier; there | là | dort; outside | dehors | draußen; everywhere | partout | überall"
)
_WEEKDAYS = """
monday | lundi | montag; sunday | dimanche | sonntag; friday | vendredi | freitag; saturday | samedi | samstag
tuesday | mardi | dienstag; thursday | jeudi | donnerstag; wednesday | mercredi | mittwoch
"""
_MONTHS = """
may | mai | mai; march | mars | märz; june | juin | juni; january | janvier | januar; august | août | august
december | décembre | dezember; july | juillet | juli; april | avril | april; september | septembre | september
october | octobre | oktober; november | novembre | november; february | février | februar
"""
_NUMERALS = """
two | deux | zwei; three | trois | drei; four | quatre | vier; five | cinq | fünf; ten | dix | zehn
six | six | sechs; eight | huit | acht; seven | sept | sieben
twelve | douze | zwölf; nine | neuf | neun; twenty | vingt | zwanzig
eleven | onze | elf; thirty | trente | dreißig; fifteen | quinze | fünfzehn; forty | quarante | vierzig
"""
_NAMES = """
anna.f paul.m marie.f peter.m lisa.f tom.m emma.f martin.m julia.f david.m sarah.f max.m laura.f simon.m
nina.f oscar.m eva.f felix.m clara.f victor.m sophie.f robert.m alice.f daniel.m rosa.f bruno.m
"""
_TOWNS = """
paris | paris | paris; london | londres | london; berlin | berlin | berlin; rome | rome | rom
vienna | vienne | wien; lyon | lyon | lyon; geneva | genève | genf; brussels | bruxelles | brüssel
warsaw | varsovie | warschau; athens | athènes | athen
"""


@dataclass(frozen=True, slots=True, eq=False)
class Adjective:
    """An adjective in three languages.

    Attributes:
        french: masculine, feminine, and masculine before a vowel.
        french_invariable: the French adjective does not take a plural ending.
        before: the French adjective comes before the noun.
        german: the form without an ending.
        german_stem: the stem that takes endings.
        groups: groups of nouns that it describes.
    """

    english: str
    french: tuple[str, str, str]
    french_invariable: bool
    before: bool
    german: str
    german_stem: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A person's name, the same in all three languages, with the gender ``m`` or ``f``."""

    form: str
    gender: str


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """A word with one form per language; ``when`` is the tense that a time adverb requires, or ``any``."""

    english: str
    french: str
    german: str
    when: str = "any"


def _feminine(masculine: str) -> str:
    return masculine if masculine.endswith("e") else masculine + "e"


def _adjective(line: str) -> Adjective:
    english, french, german, groups = (field.strip() for field in line.split("|"))
    masculine, *more = french.lstrip("^").split("/")
    stem, _, attributive = german.partition("/")
    return Adjective(
        english,
        (masculine, more[0] if more else _feminine(masculine), more[1] if len(more) > 1 else masculine),
        len(more) == 3,
        french.startswith("^"),
        stem,
        attributive or stem,
        tuple(groups.split()),
    )


def _words(table: str) -> tuple[Word, ...]:
    entries = table.strip().replace("\n", ";").split(";")
    return tuple(Word(*(field.strip() for field in entry.split("|"))) for entry in entries)


ADJECTIVES: tuple[Adjective, ...] = tuple(_adjective(line) for line in _ADJECTIVES.strip().splitlines())
MANNER = _words(_MANNER)
MANNER_OF_DOING = tuple(word for word in MANNER if word.english not in ("hard", "early", "late"))
FREQUENCY = _words(_FREQUENCY)
TIME_ADVERBS = _words(_TIME_ADVERBS)
PLACE_ADVERBS = _words(_PLACE_ADVERBS)
WEEKDAYS = _words(_WEEKDAYS)
MONTHS = _words(_MONTHS)
NUMERALS = _words(_NUMERALS)
HOURS = tuple(
    word
    for word in NUMERALS
    if word.english in ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"]
)
NAMES: tuple[Name, ...] = tuple(Name(*entry.split(".")) for entry in _NAMES.split())
TOWNS = _words(_TOWNS)
