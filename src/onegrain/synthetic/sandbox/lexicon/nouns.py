# ruff: noqa: E501  (a lexicon entry stays on one line)
"""The nouns of the sandbox language, each with its French and German noun.

An entry holds the English noun, the French noun with its gender, and the German noun with its gender and plural.
A plural after a slash is irregular (``man/men``); German plurals are always written out. ``-`` instead of a plural
marks a mass noun. A star marks German nouns that take ``-n`` or ``-en`` in the accusative and dative singular. The
first nouns of a group are the most frequent.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NOUNS", "Noun", "english_plural"]

_TABLE = {
    "person": """
        man/men homme.m mann.m/männer; woman/women femme.f frau.f/frauen; child/children enfant.m kind.n/kinder
        teacher professeur.m lehrer.m/lehrer; girl fille.f mädchen.n/mädchen; boy garçon.m junge.m/jungen*
        doctor médecin.m arzt.m/ärzte; friend ami.m freund.m/freunde; student étudiant.m student.m/studenten*
        mother mère.f mutter.f/mütter; father père.m vater.m/väter; sister sœur.f schwester.f/schwestern
        brother frère.m bruder.m/brüder; cook cuisinier.m koch.m/köche; farmer paysan.m bauer.m/bauern*
        king roi.m könig.m/könige; queen reine.f königin.f/königinnen; soldier soldat.m soldat.m/soldaten*
        singer chanteur.m sänger.m/sänger; neighbour voisin.m nachbar.m/nachbarn*; judge juge.m richter.m/richter
        aunt tante.f tante.f/tanten; uncle oncle.m onkel.m/onkel; painter peintre.m maler.m/maler
        baker boulanger.m bäcker.m/bäcker; guest invité.m gast.m/gäste; writer écrivain.m autor.m/autoren
        grandmother grand-mère.f/grands-mères großmutter.f/großmütter; lawyer avocat.m anwalt.m/anwälte
        waiter serveur.m kellner.m/kellner; princess princesse.f prinzessin.f/prinzessinnen
        thief/thieves voleur.m dieb.m/diebe; nurse infirmière.f krankenschwester.f/krankenschwestern
        tourist touriste.m tourist.m/touristen*; engineer ingénieur.m ingenieur.m/ingenieure
        sailor marin.m matrose.m/matrosen*; witch/witches sorcière.f hexe.f/hexen""",
    "animal": """
        dog chien.m hund.m/hunde; cat chat.m katze.f/katzen; horse cheval.m/chevaux pferd.n/pferde
        bird oiseau.m/oiseaux vogel.m/vögel; fish/fish poisson.m fisch.m/fische; cow vache.f kuh.f/kühe
        mouse/mice souris.f maus.f/mäuse; lion lion.m löwe.m/löwen*; sheep/sheep mouton.m schaf.n/schafe
        wolf/wolves loup.m wolf.m/wölfe; bear ours.m bär.m/bären*; duck canard.m ente.f/enten
        rabbit lapin.m hase.m/hasen*; fox/foxes renard.m fuchs.m/füchse; monkey singe.m affe.m/affen*
        bee abeille.f biene.f/bienen; goat chèvre.f ziege.f/ziegen; owl hibou.m/hiboux eule.f/eulen
        elephant éléphant.m elefant.m/elefanten*; snake serpent.m schlange.f/schlangen""",
    "artifact": """
        book livre.m buch.n/bücher; car voiture.f auto.n/autos; bag sac.m tasche.f/taschen
        letter lettre.f brief.m/briefe; door porte.f tür.f/türen; window fenêtre.f fenster.n/fenster
        key clé.f schlüssel.m/schlüssel; watch/watches montre.f uhr.f/uhren; boat bateau.m/bateaux boot.n/boote
        lamp lampe.f lampe.f/lampen; picture image.f bild.n/bilder; knife/knives couteau.m/couteaux messer.n/messer
        train train.m zug.m/züge; plate assiette.f teller.m/teller; glass/glasses verre.m glas.n/gläser
        saw scie.f säge.f/sägen; can boîte.f dose.f/dosen; phone téléphone.m telefon.n/telefone
        newspaper journal.m/journaux zeitung.f/zeitungen; umbrella parapluie.m regenschirm.m/regenschirme
        guitar guitare.f gitarre.f/gitarren; hammer marteau.m/marteaux hammer.m/hämmer; cup tasse.f tasse.f/tassen
        bicycle vélo.m fahrrad.n/fahrräder; mirror miroir.m spiegel.m/spiegel; toy jouet.m spielzeug.n/spielzeuge""",
    "clothes": """
        hat chapeau.m/chapeaux hut.m/hüte; shirt chemise.f hemd.n/hemden; coat manteau.m/manteaux mantel.m/mäntel
        shoe chaussure.f schuh.m/schuhe; ring bague.f ring.m/ringe; skirt jupe.f rock.m/röcke""",
    "surface": """
        table table.f tisch.m/tische; chair chaise.f stuhl.m/stühle; bed lit.m bett.n/betten
        bridge pont.m brücke.f/brücken; roof toit.m dach.n/dächer; bench/benches banc.m bank.f/bänke
        sofa canapé.m sofa.n/sofas; tree arbre.m baum.m/bäume; wall mur.m mauer.f/mauern""",
    "location": """
        house maison.f haus.n/häuser; garden jardin.m garten.m/gärten; school école.f schule.f/schulen
        park parc.m park.m/parks; street rue.f straße.f/straßen; town ville.f stadt.f/städte
        church/churches église.f kirche.f/kirchen; shop magasin.m laden.m/läden; village village.m dorf.n/dörfer
        kitchen cuisine.f küche.f/küchen; forest forêt.f wald.m/wälder; hospital hôpital.m/hôpitaux krankenhaus.n/krankenhäuser
        hotel hôtel.m hotel.n/hotels; office bureau.m/bureaux büro.n/büros; museum musée.m museum.n/museen
        castle château.m/châteaux schloss.n/schlösser; station gare.f bahnhof.m/bahnhöfe
        library/libraries bibliothèque.f bibliothek.f/bibliotheken; theatre théâtre.m theater.n/theater
        restaurant restaurant.m restaurant.n/restaurants; farm ferme.f bauernhof.m/bauernhöfe
        factory/factories usine.f fabrik.f/fabriken; cellar cave.f keller.m/keller""",
    "food": """
        apple pomme.f apfel.m/äpfel; egg œuf.m ei.n/eier; cake gâteau.m/gâteaux kuchen.m/kuchen
        orange orange.f orange.f/orangen; strawberry/strawberries fraise.f erdbeere.f/erdbeeren
        pear poire.f birne.f/birnen; tomato/tomatoes tomate.f tomate.f/tomaten; carrot carotte.f karotte.f/karotten
        sandwich/sandwiches sandwich.m brötchen.n/brötchen; onion oignon.m zwiebel.f/zwiebeln
        bean haricot.m bohne.f/bohnen; lemon citron.m zitrone.f/zitronen""",
    "dish": """
        bread/- pain.m brot.n/-; meat/- viande.f fleisch.n/-; cheese/- fromage.m käse.m/-; soup/- soupe.f suppe.f/-
        rice/- riz.m reis.m/-; salad/- salade.f salat.m/-; butter/- beurre.m butter.f/-; honey/- miel.m honig.m/-""",
    "drink": """
        water/- eau.f wasser.n/-; milk/- lait.m milch.f/-; coffee/- café.m kaffee.m/-; tea/- thé.m tee.m/-
        wine/- vin.m wein.m/-; beer/- bière.f bier.n/-; juice/- jus.m saft.m/-""",
    "communication": """
        question question.f frage.f/fragen; story/stories histoire.f geschichte.f/geschichten
        answer réponse.f antwort.f/antworten; song chanson.f lied.n/lieder; word mot.m wort.n/wörter
        poem poème.m gedicht.n/gedichte; language langue.f sprache.f/sprachen; joke blague.f witz.m/witze
        secret secret.m geheimnis.n/geheimnisse""",
    "act": """
        game jeu.m/jeux spiel.n/spiele; walk promenade.f spaziergang.m/spaziergänge; dance danse.f tanz.m/tänze
        visit visite.f besuch.m/besuche; lesson leçon.f lektion.f/lektionen; trip voyage.m reise.f/reisen
        march/marches marche.f marsch.m/märsche; war guerre.f krieg.m/kriege; test examen.m prüfung.f/prüfungen""",
    "cognition": """
        plan plan.m plan.m/pläne; dream rêve.m traum.m/träume; idea idée.f idee.f/ideen; name nom.m name.m/namen*
        problem problème.m problem.n/probleme; mistake erreur.f fehler.m/fehler; rule règle.f regel.f/regeln""",
    "event": """
        party/parties fête.f fest.n/feste; meal repas.m mahlzeit.f/mahlzeiten; wedding mariage.m hochzeit.f/hochzeiten
        concert concert.m konzert.n/konzerte; storm tempête.f sturm.m/stürme; race course.f rennen.n/rennen""",
    "nature": """
        light lumière.f licht.n/lichter; stone pierre.f stein.m/steine
        star étoile.f stern.m/sterne; river rivière.f fluss.m/flüsse; mountain montagne.f berg.m/berge
        cloud nuage.m wolke.f/wolken; island île.f insel.f/inseln""",
    "plant": """
        flower fleur.f blume.f/blumen; rose rose.f rose.f/rosen; bush/bushes buisson.m busch.m/büsche
        tulip tulipe.f tulpe.f/tulpen""",
    "part": """
        morning matin.m morgen.m/morgen; evening soir.m abend.m/abende""",
    "period": """
        day jour.m tag.m/tage; year an.m jahr.n/jahre; night nuit.f nacht.f/nächte; summer été.m sommer.m/sommer
        winter hiver.m winter.m/winter""",
}

_SENSES = {
    "person": "n.PERSON", "animal": "n.ANIMAL", "artifact": "n.ARTIFACT", "surface": "n.ARTIFACT",
    "location": "n.LOCATION", "food": "n.FOOD", "dish": "n.FOOD", "drink": "n.FOOD",
    "communication": "n.COMMUNICATION", "act": "n.ACT", "cognition": "n.COGNITION", "event": "n.EVENT",
    "nature": "n.NATURALOBJECT", "plant": "n.PLANT", "clothes": "n.ARTIFACT", "part": "n.TIME", "period": "n.TIME",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Noun:
    """A noun in three languages.

    Attributes:
        english: singular and plural; a mass noun has its singular twice, in every language.
        french: singular and plural.
        french_gender: ``m`` or ``f``.
        german: nominative singular and plural.
        german_gender: ``m``, ``f`` or ``n``.
        weak: the German accusative and dative singular equal the plural.
        mass: the noun has no plural.
        group: the key in ``NOUNS``.
        sense: its supersense, e.g. ``n.ANIMAL``.
    """

    english: tuple[str, str]
    french: tuple[str, str]
    french_gender: str
    german: tuple[str, str]
    german_gender: str
    weak: bool
    mass: bool
    group: str
    sense: str


def english_plural(noun: str) -> str:
    """Return the regular English plural: cats, keys, stories."""
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"


def _french_plural(noun: str) -> str:
    return noun if noun.endswith(("s", "x", "z")) else noun + "s"


def _parse(line: str, group: str) -> Noun:
    english, french, german = line.split()
    mass = english.endswith("/-")
    base, _, plural = english.partition("/")
    fr_base, _, fr_rest = french.partition(".")
    fr_gender, _, fr_plural = fr_rest.partition("/")
    de_base, _, de_rest = german.rstrip("*").partition(".")
    de_gender, _, de_plural = de_rest.partition("/")
    return Noun(
        english=(base, base if mass else plural or english_plural(base)),
        french=(fr_base, fr_base if mass else fr_plural or _french_plural(fr_base)),
        french_gender=fr_gender,
        german=(de_base, de_base if mass else de_plural),
        german_gender=de_gender,
        weak=german.endswith("*"),
        mass=mass,
        group=group,
        sense=_SENSES[group],
    )


NOUNS: dict[str, tuple[Noun, ...]] = {
    group: tuple(_parse(entry, group) for line in table.strip().splitlines() for entry in line.split(";"))
    for group, table in _TABLE.items()
}
"""The nouns by group, most frequent first."""
