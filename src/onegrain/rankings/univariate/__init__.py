"""Rankings of one model's neurons, each neuron looked at by itself; most share one pass over the words."""

from onegrain.rankings.univariate.counts import Counts
from onegrain.rankings.univariate.scoring import Scores, counting_method
from onegrain.rankings.univariate.spread import Spread

__all__ = ["Counts", "Scores", "Spread", "counting_method"]
