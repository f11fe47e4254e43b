"""Rankings that score each neuron of one model on its own; most of them share one pass over the words."""

from onegrain.core.moments import Spread
from onegrain.rankings.univariate.counting.counts import Counts
from onegrain.rankings.univariate.counting.method import counting_method
from onegrain.rankings.univariate.counting.scoring import Scores

__all__ = ["Counts", "Scores", "Spread", "counting_method"]
