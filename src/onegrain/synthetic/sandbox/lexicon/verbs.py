# ruff: noqa: E501  (a lexicon entry stays on one line)
"""The verbs of the sandbox language, each with its French and German verb.

Each line describes one verb, in seven fields: English (base, or base/past/participle); French infinitive, after ``+``
if its compound tenses take être; German infinitive (or infinitive/third person singular/preterite/participle, ``-``
for a regular form), after ``+`` if its perfect takes sein; frame; noun groups of its subject; noun groups of its
object; supersense. ``~`` after the frame marks verbs of state, which have no progressive and whose past is the
imperfect in French. Frames: ``i`` intransitive, ``m`` motion to or from a place, ``t`` transitive, ``d`` with a
recipient, ``c`` with a that-clause, ``w`` weather. The first verbs of a frame are the most frequent.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BE", "VERBS", "WANT", "Verb"]

_ALL = "person animal artifact clothes surface location food communication act cognition nature plant"
_THING = "artifact clothes surface food"

_TABLE = f"""
sleep/slept/slept | dormir | schlafen/schläft/schlief/geschlafen | i | person animal | | body
work | travailler | arbeiten | i | person | | social
sing/sang/sung | chanter | singen/singt/sang/gesungen | i | person animal | | communication
play | jouer | spielen | i | person animal | | social
laugh | rire | lachen | i | person | | communication
dance | danser | tanzen | i | person | | motion
dream | rêver | träumen | i | person | | cognition
cry | pleurer | weinen | i | person | | body
wait | attendre | warten | i | person animal | | stative
smile | sourire | lächeln | i | person | | body
speak/spoke/spoken | parler | sprechen/spricht/sprach/gesprochen | i | person | | communication
cook | cuisiner | kochen | i | person | | creation
travel | voyager | +reisen | i | person | | motion
swim/swam/swum | nager | +schwimmen/schwimmt/schwamm/geschwommen | i | person animal | | motion
fall/fell/fallen | +tomber | +fallen/fällt/fiel/gefallen | i | person animal | | motion
die | +mourir | +sterben/stirbt/starb/gestorben | i | person animal | | change
fly/flew/flown | voler | +fliegen/fliegt/flog/geflogen | i | animal | | motion
fish | pêcher | angeln | i | person | | contact
cough | tousser | husten | i | person | | body
answer | répondre | antworten | i | person | | communication
fight/fought/fought | lutter | kämpfen | i | person animal | | social
tremble | trembler | zittern | i | person animal | | body
lie/lied/lied | mentir | lügen/lügt/log/gelogen | i | person | | communication
go/went/gone | +aller | +gehen/geht/ging/gegangen | m | person animal | | motion
walk | marcher | +laufen/läuft/lief/gelaufen | m | person animal | | motion
come/came/come | +venir | +kommen/kommt/kam/gekommen | m | person animal | | motion
run/ran/run | courir | +rennen/rennt/rannte/gerannt | m | person animal | | motion
march | défiler | +marschieren/marschiert/-/marschiert | m | person | | motion
see/saw/seen | voir | sehen/sieht/sah/gesehen | t | person animal | {_ALL} | perception
have/had/had | avoir | haben/hat/hatte/gehabt | t ~ | person | {_THING} animal communication cognition | possession
love | aimer | lieben | t ~ | person | person animal communication act food location | emotion
find/found/found | trouver | finden/findet/fand/gefunden | t | person animal | {_ALL} | perception
eat/ate/eaten | manger | essen/isst/aß/gegessen | t | person animal | food food dish | consumption
drink/drank/drunk | boire | trinken/trinkt/trank/getrunken | t | person animal | drink | consumption
buy/bought/bought | acheter | kaufen | t | person | {_THING} animal dish drink | possession
know/knew/known | connaître | kennen/kennt/kannte/gekannt | t ~ | person | person location communication cognition | cognition
hear/heard/heard | entendre | hören | t | person animal | person animal communication | perception
watch | regarder | beobachten | t | person animal | person animal nature act | perception
like | apprécier | mögen/mag/mochte/gemocht | t ~ | person | person animal food act communication location | emotion
open | ouvrir | öffnen | t | person | artifact | contact
follow | suivre | verfolgen | t | person animal | person animal | motion
forget/forgot/forgotten | oublier | vergessen/vergisst/vergaß/vergessen | t | person | {_ALL} | cognition
write/wrote/written | écrire | schreiben/schreibt/schrieb/geschrieben | t | person | communication | creation
visit | visiter | besuchen/-/-/besucht | t | person | location | social
lose/lost/lost | perdre | verlieren/verliert/verlor/verloren | t | person | artifact animal act | possession
clean | nettoyer | putzen | t | person | artifact surface location | contact
paint | peindre | malen | t | person | nature surface animal location | creation
light/lit/lit | éclairer | beleuchten/-/-/beleuchtet | t | person | location surface | contact
carry | porter | tragen/trägt/trug/getragen | t | person | {_THING} animal | motion
plan | planifier | planen | t | person | act event | cognition
wash | laver | waschen/wäscht/wusch/gewaschen | t | person | {_THING} animal | contact
break/broke/broken | casser | zerbrechen/zerbricht/zerbrach/zerbrochen | t | person | artifact | change
steal/stole/stolen | voler | stehlen/stiehlt/stahl/gestohlen | t | person animal | artifact food animal | possession
draw/drew/drawn | dessiner | zeichnen | t | person | {_ALL} | creation
catch/caught/caught | attraper | fangen/fängt/fing/gefangen | t | person animal | animal | contact
hate | détester | hassen | t ~ | person | person animal food act cognition | emotion
greet | saluer | grüßen | t | person | person | social
train | entraîner | trainieren/-/-/trainiert | t | person | animal person | social
kill | tuer | töten | t | animal person | animal | change
repair | réparer | reparieren/-/-/repariert | t | person | artifact | change
build/built/built | construire | bauen | t | person | location artifact surface | creation
wear/wore/worn | porter | tragen/trägt/trug/getragen | t | person | clothes | body
water | arroser | gießen/gießt/goss/gegossen | t | person | plant | contact
win/won/won | gagner | gewinnen/gewinnt/gewann/gewonnen | t | person | act | social
hide/hid/hidden | cacher | verstecken/-/-/versteckt | t | person animal | {_THING} animal | perception
save | sauver | retten | t | person | person animal | social
describe | décrire | beschreiben/beschreibt/beschrieb/beschrieben | t | person | {_ALL} | communication
touch | toucher | berühren/-/-/berührt | t | person animal | {_THING} animal nature | contact
admire | admirer | bewundern/-/-/bewundert | t ~ | person | {_ALL} | emotion
give/gave/given | donner | geben/gibt/gab/gegeben | d | person | {_THING} animal | possession
show/showed/shown | montrer | zeigen | d | person | {_ALL} | perception
send/sent/sent | envoyer | schicken | d | person | artifact communication food | motion
sell/sold/sold | vendre | verkaufen/-/-/verkauft | d | person | {_THING} animal location | possession
bring/brought/brought | apporter | bringen/bringt/brachte/gebracht | d | person animal | artifact food | motion
offer | offrir | bieten/bietet/bot/geboten | d | person | artifact food animal nature | possession
tell/told/told | raconter | erzählen/-/-/erzählt | d | person | communication | communication
explain | expliquer | erklären/-/-/erklärt | d | person | cognition act communication | communication
lend/lent/lent | prêter | leihen/leiht/lieh/geliehen | d | person | artifact | possession
promise | promettre | versprechen/verspricht/versprach/versprochen | d | person | artifact animal act | communication
say/said/said | dire | sagen | c | person | | communication
think/thought/thought | penser | denken/denkt/dachte/gedacht | c ~ | person | | cognition
believe | croire | glauben | c ~ | person | | cognition
hope | espérer | hoffen | c ~ | person | | emotion
see/saw/seen | voir | sehen/sieht/sah/gesehen | c | person | | perception
understand/understood/understood | comprendre | verstehen/versteht/verstand/verstanden | c | person | | cognition
forget/forgot/forgotten | oublier | vergessen/vergisst/vergaß/vergessen | c | person | | cognition
dream | rêver | träumen | c | person | | cognition
write/wrote/written | écrire | schreiben/schreibt/schrieb/geschrieben | c | person | | communication
answer | répondre | antworten | c | person | | communication
promise | promettre | versprechen/verspricht/versprach/versprochen | c | person | | communication
rain | pleuvoir | regnen | w | | | weather
snow | neiger | schneien | w | | | weather
"""


@dataclass(frozen=True, slots=True, eq=False)
class Verb:
    """A verb in three languages.

    Attributes:
        english: base, third person singular, past, past participle, -ing form.
        french: infinitive.
        etre: True if French compound tenses take être.
        german: infinitive, third person singular present, first person singular preterite, past participle.
        sein: True if the German perfect takes sein.
        frame: one of ``i``, ``m``, ``t``, ``d``, ``c`` and ``w``; see the module.
        subjects: groups of nouns that can be its subject.
        objects: groups of nouns that can be its object.
        sense: its supersense, e.g. ``v.motion``.
        stative: a verb of state: no progressive, and the imperfect as its French past.
    """

    english: tuple[str, str, str, str, str]
    french: str
    etre: bool
    german: tuple[str, str, str, str]
    sein: bool
    frame: str
    subjects: tuple[str, ...]
    objects: tuple[str, ...]
    sense: str
    stative: bool


_DOUBLING = {"run", "swim", "plan", "win", "forget", "travel"}


def _english_forms(entry: str) -> tuple[str, str, str, str, str]:
    parts = entry.split("/")
    base = parts[0]
    vowel_y = base.endswith("y") and base[-2] not in "aeou"
    third = (
        base[:-1] + "ies" if vowel_y else base + ("es" if base.endswith(("s", "sh", "ch", "x", "o")) else "s")
    )
    stem = base + base[-1] if base in _DOUBLING else base
    past = base[:-1] + "ied" if vowel_y else base + "d" if base.endswith("e") else stem + "ed"
    if base.endswith("ie"):
        ing = base[:-2] + "ying"
    elif base.endswith("e") and not base.endswith("ee"):
        ing = base[:-1] + "ing"
    else:
        ing = stem + "ing"
    if base == "have":
        third = "has"
    return (base, third, *(parts[1:] if len(parts) == 3 else (past, past)), ing)


def _german_forms(entry: str) -> tuple[str, str, str, str]:
    parts = [*entry.split("/"), "-", "-", "-"][:4]
    infinitive = parts[0]
    stem = infinitive[:-2] if infinitive.endswith("en") else infinitive[:-1]
    link = "e" if stem.endswith(("t", "d", "fn", "gn", "chn")) else ""
    regular = (infinitive, stem + link + "t", stem + link + "te", "ge" + stem + link + "t")
    third, preterite, participle = (
        form if form != "-" else rule for form, rule in zip(parts[1:], regular[1:], strict=True)
    )
    return infinitive, third, preterite, participle


def _parse(line: str) -> Verb:
    english, french, german, frame, subjects, objects, sense = (field.strip() for field in line.split("|"))
    return Verb(
        english=_english_forms(english),
        french=french.lstrip("+"),
        etre=french.startswith("+"),
        german=_german_forms(german.lstrip("+")),
        sein=german.startswith("+"),
        frame=frame[0],
        subjects=tuple(subjects.split()),
        objects=tuple(objects.split()),
        sense=f"v.{sense}",
        stative="~" in frame,
    )


def _by_frame() -> dict[str, tuple[Verb, ...]]:
    verbs = [_parse(line) for line in _TABLE.strip().splitlines()]
    return {frame: tuple(verb for verb in verbs if verb.frame == frame) for frame in "imtdcw"}


VERBS: dict[str, tuple[Verb, ...]] = _by_frame()
"""The verbs by frame, most frequent first."""

WANT = _parse("want | vouloir | wollen/will/wollte/gewollt | x ~ | person | | cognition")
"""The verb for the modal ``want``: "want to ..."."""

BE = _parse("be/was/been | être | +sein/ist/war/gewesen | x ~ | | | stative")
"""The copula; the realisers hold its irregular forms."""
