"""``onegrain cards``, and the printing of cards for ``onegrain show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onegrain.cli.console import emit
from onegrain.cli.options.neurons import LabelName, MinCount, Neurons, WordCount
from onegrain.cli.options.output import Force, Json, out_option
from onegrain.cli.options.records import named_rankings
from onegrain.core.text import visible

if TYPE_CHECKING:
    from onegrain.records.cards import NeuronCards
    from onegrain.records.neuron_card import CardDirection, NeuronCard

NAME = "cards"
CONTEXTS = 3


def run(
    store: Annotated[str, typer.Argument(help="Store, a folder or a URL.")],
    out: Annotated[Path, out_option("Cards to write, *.json.")],
    neurons: Neurons = None,
    ranking: Annotated[
        list[str] | None,
        typer.Option(help="Ranking to show, FILE or NAME=FILE; may be repeated."),
    ] = None,
    top: Annotated[
        int | None, typer.Option(help="Number of the first neurons of the first ranking, besides --neuron.")
    ] = None,
    label: LabelName = None,
    n: WordCount = 10,
    min_count: MinCount = 1,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write cards of neurons in one JSON file: statistics, ranks, and the words that move them."""
    from onegrain.activations import open_activations
    from onegrain.analyses import neuron_cards
    from onegrain.core.output import require_free
    from onegrain.errors import ParameterError

    require_free(out, force=force)
    rankings = named_rankings(ranking or [])
    if not neurons and top is None:
        raise ParameterError("name neurons: --neuron SITE:UNIT, or --ranking FILE --top K")
    if top is not None and not rankings:
        raise ParameterError("--top takes the first neurons of a ranking; name it with --ranking")
    if label is not None and top is None:
        raise ParameterError("--label orders the neurons of --top; give --top, or leave out --label")
    chosen = list(neurons or [])
    if top is not None:
        first = next(iter(rankings.values()))
        first = first if label is None else first.label(label)
        chosen += first.top(first.require_k(top))
    cards = neuron_cards(open_activations(store), chosen, rankings=rankings, n=n, min_count=min_count)
    cards.save(out, force=force)
    emit({"cards": str(out), "neurons": [card.name for card in cards.cards]}, as_json)


def show_cards(path: Path, rows: int, against: str | None, as_json: bool) -> None:
    """Print cards; with ``against``, only if they belong to that store or model."""
    from onegrain.records.cards import NeuronCards

    cards = NeuronCards.load(path)
    if against is not None:
        _require_of(cards, against)
    facts = cards.summary() | ({} if against is None else {"belong to": against})
    if as_json:
        emit(facts | {"cards": [card.model_dump(mode="json") for card in cards.cards]}, as_json)
        return
    emit(facts, as_json)
    for card in cards.cards[:rows]:
        totals = {name: ranking.neurons for name, ranking in cards.rankings.items()}
        typer.echo("\n" + "\n".join(map(visible, _lines(card, totals))))
    if rows < len(cards):
        typer.echo(f"\n... {len(cards) - rows} cards more")


def _require_of(cards: NeuronCards, against: str) -> None:
    if Path(against).suffix == ".zarr" or "://" in against or (Path(against) / "zarr.json").is_file():
        from onegrain.activations import open_activations

        cards.require_of(open_activations(against))
        return
    from onegrain.models import load_model

    cards.require_model(load_model(against).identity)


def _lines(card: NeuronCard, totals: dict[str, int]) -> list[str]:
    """Return a card as about ten lines of text."""
    statistics = card.statistics
    lines = [
        card.name,
        f"  mean {statistics.mean:.4g}, std {statistics.std:.4g}, from {statistics.minimum:.4g} to "
        f"{statistics.maximum:.4g}, positive at {statistics.share_positive:.1%} of {statistics.words:,} words",
    ]
    if statistics.constant:
        return [*lines, "  constant: no word moves it"]
    for name, standing in card.rankings.items():
        score = "no score" if standing.score is None else f"score {standing.score:.4g}"
        by_label = {label: value for label, value in standing.label_scores.items() if value}
        best = sorted(by_label, key=lambda label: -(by_label[label] or 0.0))[:CONTEXTS]
        labels = "".join(f", {label} {by_label[label]:.4g}" for label in best)
        unranked = "" if standing.ranked else ", unranked"
        lines.append(f"  {name}: rank {standing.rank:,} of {totals[name]:,}{unranked}, {score}{labels}")
    for heading, direction in (("up", card.high), ("down", card.low)):
        lines += _direction(heading, direction)
    return lines


def _direction(heading: str, direction: CardDirection) -> list[str]:
    words = ", ".join(f"{entry.word} ({entry.deviation:+.1f})" for entry in direction.words)
    contexts = [
        f"    {context.deviation:+.1f}  {context.left} [{context.word}] {context.right}".rstrip()
        for context in direction.contexts[:CONTEXTS]
    ]
    return [f"  {heading}: {words}", *contexts]
