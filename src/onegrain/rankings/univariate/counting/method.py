"""Methods that score neurons from counts alone."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from onegrain.rankings.labels import LabelOptions
from onegrain.rankings.request import Method
from onegrain.rankings.univariate.counting.counts import Counts, Needs
from onegrain.rankings.univariate.counting.grouped_words import GroupedWords
from onegrain.rankings.univariate.counting.redrawing import CountedRedrawer
from onegrain.rankings.univariate.counting.scoring import Counting, Scores, Sorted, rank_counted

__all__ = ["counting_method"]


def counting_method(
    name: str,
    summary: str,
    score: Callable[[Counts, Any], Scores],
    *,
    options: type = LabelOptions,
    needs: Collection[Needs] = (),
    exact: Callable[[Sorted, Any], Scores] | None = None,
    require: Callable[[GroupedWords], None] | None = None,
    describe: Callable[[GroupedWords, Any], dict[str, Any]] | None = None,
) -> Method:
    """Return a method that scores neurons from counts alone, and so can share its pass with other such methods.

    A constant neuron always scores NaN, comes last, and is counted in ``details["constant"]``. Words without a
    label or without an activation are left out and counted.

    Args:
        name: name of the method.
        summary: one line.
        score: function from the counts of some neurons and the options to their scores.
        options: frozen dataclass of its parameters. Labels with fewer words than its ``min_count`` are left
            out; if it has no ``min_count``, labels with fewer than 10.
        needs: statistics besides the means and deviations under each label: ``histogram``, ``positive``,
            ``range``.
        exact: function that scores one neuron from its sorted values, used if ``options.exact`` is true.
        require: raises an error for words that the method cannot score.
        describe: returns further entries for the record's ``details``.
    """
    counting = Counting(score, frozenset(needs), exact, require, describe)
    return Method(
        name=name,
        summary=summary,
        function=lambda request: rank_counted([(name, counting, request)])[0],
        options=options,
        needs_label=True,
        counting=counting,
        redraw=lambda request: CountedRedrawer(request, counting, options),
    )
