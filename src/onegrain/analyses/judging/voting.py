"""NeuronVote [Fan23]: the neurons that rankings elect together, and how far each ranking agrees.

Every ranking gives b points to its first neuron, b - 1 to its second, ... 1 to its b-th (Borda count; b = 100
in [Fan23]) and none to the rest, nor to a neuron that it does not rank. The neurons with the most points are
elected, ties in a random order that is always the same. A ranking agrees as far as its first k neurons are the
first k elected: Jaccard at k.

The code that [Fan23] released counts a ranking's own vote when it is compared with the elected neurons, and
defines no order for equal points. Here only the others vote by default, so that no ranking agrees with itself;
``own_vote=True`` counts as the released code does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from onegrain.analyses.judging.agreement import judges_among, require_comparable
from onegrain.analyses.questions.topsets import chance_overlap, default_k
from onegrain.core.options import require_count
from onegrain.core.ordering import order_by_score
from onegrain.errors import ParameterError
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking

__all__ = ["BALLOTS", "neuron_vote", "vote_agreement"]

BALLOTS = 100
METHOD = "neuron-vote"


def neuron_vote(rankings: Mapping[str, Ranking], ballots: int = BALLOTS) -> Ranking:
    """Return the ranking that several elect together; it can be evaluated and erased like any other.

    Scores are points; neurons without points are unranked. If all rankings have scores for the same labels,
    each label also has a vote, over the orders for that label, as in [Fan23].

    Args:
        rankings: name -> ranking, all of the same neurons of one model; all of them vote.
        ballots: number of neurons that each ranking gives points to; all neurons if there are fewer.

    Raises:
        ParameterError: no ranking, or fewer than one ballot.
        MismatchError: rankings of different neurons or models.
    """
    voters = list(rankings.values())
    if not voters:
        raise ParameterError("there is no ranking to vote; give one at least, by name")
    require_count("ballots", ballots)
    first, named = voters[0], next(iter(rankings))
    for name, ranking in rankings.items():
        first.space.require_same(ranking.space, f"rankings {named!r} and {name!r} cannot vote together")
        first.provenance.require_same_model(f"ranking {named!r}", ranking.provenance, f"ranking {name!r}")
    points = _points(voters, ballots)
    of_labels = _label_points(voters, ballots)
    return Ranking(
        method=METHOD,
        space=first.space,
        order=order_by_score(points),
        scores=points,
        n_ranked=int(np.count_nonzero(points)),
        provenance=Provenance(
            stage="vote",
            model=first.provenance.subject(),
            sites=first.space.sites,
            parameters={"method": METHOD, "ballots": ballots},
            inputs=tuple(ranking.provenance for ranking in voters),
        ),
        details={"voters": {name: ranking.method for name, ranking in rankings.items()}, "ballots": ballots},
        **of_labels,
    )


def vote_agreement(
    rankings: Mapping[str, Ranking],
    k: int | None = None,
    *,
    ballots: int = BALLOTS,
    own_vote: bool = False,
    judges: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Compare each ranking's first k neurons with those that the judges elect.

    Args:
        rankings: name -> ranking, all of the same neurons of one model.
        k: neurons of a top set; default the larger of 10 and 1 % of the neurons.
        ballots: see :func:`neuron_vote`.
        own_vote: let a judge vote also when it is itself compared, as the code of [Fan23] does.
        judges: the rankings that vote; all by default.

    Returns:
        One row per ranking: ``ranking``, ``k``, ``vote_overlap`` (Jaccard), ``expected`` (by chance); NaN if no
        other ranking votes.

    Raises:
        ParameterError: fewer than two rankings, fewer than one ballot, or an impossible k.
        MismatchError: rankings of different neurons or models.
    """
    names = require_comparable(rankings)
    require_count("ballots", ballots)
    space = rankings[names[0]].space
    size = default_k(space.size) if k is None else rankings[names[0]].require_k(k)
    chosen = names if judges is None else judges_among(rankings, judges)
    rows = []
    for name, ranking in rankings.items():
        voters = {judge: rankings[judge] for judge in chosen if own_vote or judge != name}
        jaccard = expected = float("nan")
        if voters:
            elected = neuron_vote(voters, ballots)
            met = chance_overlap(_top(ranking, size), _top(elected, size), space.size)
            jaccard, expected = met.jaccard, met.expected_jaccard
        rows.append({"ranking": name, "k": size, "vote_overlap": jaccard, "expected": expected})
    return pd.DataFrame(rows)


def _points(rankings: Sequence[Ranking], ballots: int) -> np.ndarray:
    """Return the sum of the points of every neuron, float64 (neurons,)."""
    points = np.zeros(rankings[0].space.size)
    for ranking in rankings:
        elected = _top(ranking, ballots)
        points[elected] += ballots - np.arange(len(elected))
    return points


def _label_points(rankings: Sequence[Ranking], ballots: int) -> dict[str, Any]:
    """Return layer, labels and their points if every ranking has scores for the same labels, else nothing."""
    first = rankings[0]
    if any(
        ranking.label_scores is None
        or not ranking.labels
        or (ranking.layer, ranking.labels) != (first.layer, first.labels)
        for ranking in rankings
    ):
        return {}
    points = [_points([ranking.label(label) for ranking in rankings], ballots) for label in first.labels]
    return {"layer": first.layer, "labels": first.labels, "label_scores": np.stack(points)}


def _top(ranking: Ranking, k: int) -> np.ndarray:
    return ranking.order[: min(k, ranking.n_ranked)]
