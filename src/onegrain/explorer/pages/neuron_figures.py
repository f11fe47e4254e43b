"""The figures of a neuron's page, each with its table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from onegrain.analyses.neurons.signs import SignCase
from onegrain.explorer.edit_evidence import EditEvidence
from onegrain.explorer.figures import Figure, FigureTable
from onegrain.explorer.pages.neuron_evidence import Context, Evidence
from onegrain.explorer.relations import Membership, NeuronRank, Partner
from onegrain.records.indexed_neuron import IndexedLabel, IndexedNeuron
from onegrain.reports.blocks import slug
from onegrain.reports.rendering.drawings import (
    Histogram,
    IntervalRow,
    Intervals,
    Mark,
    StripRow,
    Strips,
    quantile_row,
)

__all__ = [
    "clusters_figure",
    "edit_figures",
    "evidence_figures",
    "partners_figure",
    "ranks_figure",
    "signs_figure",
]

MOST_DRAWN = 10
MOST_STRIPS = 9
LEAST_DRAWN, MOST_TIMES = 10, 4
"""Sets are drawn together up to ten neurons, or four times as many as the smallest has."""
CONTEXT = ("word", "value", "deviation", "sentence", "position", "left", "right")


def evidence_figures(indexed: IndexedNeuron, evidence: Evidence) -> list[Figure]:
    """Return the figures of what a neuron responds to."""
    figures = [_histogram(indexed)]
    if evidence.layer:
        figures.append(_strips(indexed, evidence))
    words = [
        (direction, word.word, word.count, word.deviation)
        for direction, part in (("high", evidence.top_words), ("low", evidence.bottom_words))
        for word in part
    ]
    contexts = [
        (direction, *_context(context))
        for direction, part in (("high", evidence.top), ("low", evidence.bottom))
        for context in part
    ]
    samples = [
        (sample.low, sample.high, *_context(context))
        for sample in evidence.samples
        for context in sample.contexts
    ]
    return [
        *figures,
        Figure(
            "words",
            "Words that move it",
            None,
            FigureTable.of(("direction", "word", "count", "deviation"), words),
            "Word types by their mean deviation from the neuron's mean, in its standard deviations.",
        ),
        Figure(
            "contexts",
            "Single words that move it most",
            None,
            FigureTable.of(("direction", *CONTEXT), contexts),
            "Sentences and positions are counted from 0.",
        ),
        Figure(
            "samples",
            "Samples by range",
            None,
            FigureTable.of(("from share", "to share", *CONTEXT), samples),
            "Words drawn at random from equal parts of the neuron's values.",
        ),
        _statistics(indexed),
    ]


def _context(context: Context) -> tuple[object, ...]:
    card = context.card
    return card.word, card.value, card.deviation, card.sentence, card.position, card.left, card.right


def _histogram(indexed: IndexedNeuron) -> Figure:
    statistics, edges = indexed.statistics, indexed.edges
    marks = [Mark(statistics.mean, "mean")]
    if edges[0] < 0.0 < edges[-1]:
        marks.append(Mark(0.0, "0"))
    drawing = Histogram.of_counts(edges, [float(count) for count in indexed.counts], marks)
    rows = [(low, high, count) for (low, high), count in zip(pairwise(edges), indexed.counts, strict=True)]
    return Figure(
        "histogram",
        "Values",
        drawing,
        FigureTable.of(("from", "to", "words"), rows),
        f"{statistics.words:,} words in {len(indexed.counts)} equal bins"
        + ("; the heights are logarithmic." if drawing.logarithmic else "."),
    )


def _strips(indexed: IndexedNeuron, evidence: Evidence) -> Figure:
    labels = sorted(indexed.labels_of(evidence.layer), key=lambda label: -label.mean)
    left_out, drawn = evidence.labels_left_out, labels
    if len(labels) > 2 * MOST_STRIPS:
        drawn = labels[:MOST_STRIPS] + labels[-MOST_STRIPS:]
    caption = (
        "5 to 95 % (line), 25 to 75 % (box), median (bar) and mean (dot) of the values at the words of each "
        "label, by falling mean; at the right the number of words."
    )
    if len(drawn) < len(labels):
        caption += (
            f" The {MOST_STRIPS} highest and lowest of {len(labels)} labels are drawn; the table has all."
        )
    if left_out:
        caption += f" {left_out} rarer label{'s are' if left_out > 1 else ' is'} left out."
    return Figure(
        "labels",
        f"Values by {evidence.layer}",
        Strips(tuple(_strip(label) for label in drawn)),
        FigureTable.of(
            ("label", "words", "mean", "std", "5 %", "25 %", "median", "75 %", "95 %", "AUROC"),
            [(row.label, row.words, row.mean, row.std, *row.quantiles, row.auroc) for row in labels],
        ),
        caption,
    )


def _strip(label: IndexedLabel) -> StripRow:
    return quantile_row(label.label, label.words, label.quantiles, label.mean)


def _statistics(indexed: IndexedNeuron) -> Figure:
    statistics = indexed.statistics
    rows = [
        ("words", statistics.words),
        ("mean", statistics.mean),
        ("standard deviation", statistics.std),
        ("minimum", statistics.minimum),
        ("maximum", statistics.maximum),
        ("share above 0", statistics.share_positive),
        ("share below 0", statistics.share_negative),
        *((f"{100 * share:g} % quantile", value) for share, value in indexed.quantiles),
    ]
    return Figure("statistics", "Statistics", None, FigureTable.of(("statistic", "value"), rows))


def edit_figures(edits: Iterable[EditEvidence], neuron: str) -> Iterator[Figure]:
    """Yield one figure of the effect of editing sets with a neuron for each unit, and a table of all."""
    rows = list(edits)
    for unit in dict.fromkeys(row.unit for row in rows):
        of_unit = [row for row in rows if row.unit == unit]
        most = max(LEAST_DRAWN, MOST_TIMES * of_unit[0].neurons)
        small = [row for row in of_unit if row.neurons <= most][:MOST_DRAWN]
        drawn: list[IntervalRow] = []
        for row in small:
            drawn.append(IntervalRow(_set_name(row), row.effect, *_interval(row.low, row.high)))
            if row.random is not None:
                interval = _interval(row.random_low, row.random_high)
                drawn.append(IntervalRow(f"{row.neurons} random", row.random, *interval, soft=True))
        more = len(of_unit) - len(small)
        what = "Share of the cases that succeed" if unit == "share of cases" else f"Damage in {unit}"
        yield Figure(
            f"editing-{slug(unit)}",
            what,
            Intervals(tuple(drawn), unit=unit, reference=0.0),
            FigureTable.of(
                (
                    *("record", "kind", "order", "edit", "measure", "neurons", "rank", "effect", "low", "high"),
                    *("random", "random low", "random high"),
                ),
                [
                    (
                        *(row.record, row.kind, row.order, row.edit, row.measure, row.neurons, row.rank),
                        *(row.effect, row.low, row.high, row.random, row.random_low, row.random_high),
                    )
                    for row in of_unit
                ],
            ),
            f"Sets of neurons with {neuron}, the smallest of each record"
            + (f"; {more} larger ones are in the table" if more else "")
            + ". In grey as many random neurons.",
        )


def _set_name(row: EditEvidence) -> str:
    """Return a short name of an edited set."""
    if row.neurons == 1:
        return f"this neuron, {row.edit}"
    return f"{row.neurons} of {row.order}" if row.order else f"{row.neurons} set neurons"


def _interval(low: float | None, high: float | None) -> tuple[float, float]:
    return (float("nan") if low is None else low), (float("nan") if high is None else high)


def ranks_figure(ranks: Iterable[NeuronRank]) -> Figure:
    """Return the place of a neuron in every ranking."""
    rows = [
        (
            *(row.title, row.method, row.layer, row.rank, row.neurons, row.rank_low, row.rank_high),
            *(row.score, row.score_low, row.score_high, row.q, row.best_label, row.best_rank),
        )
        for row in ranks
    ]
    columns = (
        *("ranking", "method", "labels", "rank", "of", "rank low", "rank high", "score", "score low"),
        *("score high", "q", "best label", "rank for it"),
    )
    return Figure("ranks", "Rank in every ranking", None, FigureTable.of(columns, rows))


def partners_figure(partners: Iterable[Partner]) -> Figure:
    """Return the partners of a neuron in other models."""
    rows = [(row.model, row.neuron, row.correlation, row.ranking) for row in partners]
    columns = ("model", "partner", "correlation", "ranking")
    return Figure("partners", "Partners in other models", None, FigureTable.of(columns, rows))


def clusters_figure(clusters: Iterable[Membership]) -> Figure:
    """Return the clusters of a neuron."""
    rows = [
        (
            row.record,
            row.size,
            row.mean_correlation,
            row.representative,
            " ".join(name for name, _ in row.members),
        )
        for row in clusters
    ]
    columns = ("record", "neurons", "mean correlation", "representative", "other members")
    return Figure("clusters", "Clusters", None, FigureTable.of(columns, rows))


def signs_figure(cases: Iterable[SignCase]) -> Figure:
    """Return the four cases of the signs of a gated neuron's factors."""
    rows = [(case.gate, case.up, case.words, case.share, case.mean_product) for case in cases]
    columns = ("gate", "up", "words", "share", "mean product")
    caption = "A neuron of a gated MLP is the product of its gate, after the non-linearity, and its up value."
    return Figure("signs", "Signs of gate and up", None, FigureTable.of(columns, rows), caption)
