"""What ``rank lca`` does with its evaluation, done with NeuroX 1.0.9."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from neurox.interpretation import ablation, linear_probe

__all__ = ["rank_and_evaluate"]


def rank_and_evaluate(train, dev, test, options, seed: int = 0) -> dict[str, Any]:
    """Choose a pair of penalties, order the neurons of its probe, and evaluate the order on test words.

    The pair is chosen by the score of ``options``, from accuracies on dev words with the top, the bottom and
    all neurons. Everything is NeuroX's with its defaults; the shares are those of ``options``. There is no
    minimal set, no interval and no control task.

    Args:
        train: labelled words to train on.
        dev: labelled words to choose by.
        test: labelled words to evaluate on.
        options: LcaOptions.
        seed: seed of the random order and of each training.
    """
    trained = [
        _Trained(train.values, train.codes, pair, np.arange(train.values.shape[1]), seed)
        for pair in options.pairs
    ]
    share = options.search_share
    scores = []
    free = trained[options.pairs.index((0.0, 0.0))].accuracy(dev)
    for probe in trained:
        order = probe.order()
        count = max(1, round(share * len(order)))
        top, bottom = (probe.accuracy(dev, kept) for kept in (order[:count], order[-count:]))
        scores.append(options.alpha * (top - bottom) - options.beta * (free - probe.accuracy(dev)))
    number = int(np.argmax(scores))
    chosen, pair = trained[number], options.pairs[number]
    order = chosen.order()
    shuffled = np.random.default_rng(seed).permutation(len(order)).tolist()
    orders = {"top": order, "bottom": order[::-1], "random": shuffled}
    masking, retraining = {}, {}
    for keep, neurons in orders.items():
        for share in options.masking_shares:
            kept = neurons[: max(1, round(share * len(neurons)))]
            masking[f"{keep} {share:g}"] = chosen.accuracy(test, kept)
        for share in options.retraining_shares:
            kept = np.sort(neurons[: max(1, round(share * len(neurons)))])
            retraining[f"{keep} {share:g}"] = _Trained(train.values, train.codes, pair, kept, seed).accuracy(
                test
            )
    return {
        "pair": pair,
        "accuracy": chosen.accuracy(test),
        "masking": masking,
        "retraining": retraining,
    }


class _Trained:
    """A probe of NeuroX, trained on some of the neurons."""

    def __init__(self, values, codes, pair, neurons, seed: int) -> None:
        torch.manual_seed(seed)
        self.neurons, self.n_labels = neurons, int(codes.max()) + 1
        self.probe = linear_probe.train_logistic_regression_probe(
            self._columns(values), codes.astype(np.int64), lambda_l1=pair[0], lambda_l2=pair[1]
        )

    def _columns(self, values):
        if len(self.neurons) == values.shape[1]:
            return values
        return np.ascontiguousarray(ablation.filter_activations_keep_neurons(values, self.neurons))

    def order(self) -> list[int]:
        """Return the neurons, the most important first."""
        labels = {str(number): number for number in range(self.n_labels)}
        order, _ = linear_probe.get_neuron_ordering(self.probe, labels)
        return [int(neuron) for neuron in order]

    def accuracy(self, words, kept=None) -> float:
        """Return the accuracy on words, with all neurons but the kept ones set to 0."""
        values = self._columns(words.values)
        if kept is not None:
            values = ablation.zero_out_activations_keep_neurons(values, kept)
        scores = linear_probe.evaluate_probe(
            self.probe, np.ascontiguousarray(values), words.codes.astype(np.int64)
        )
        return float(scores["__OVERALL__"])
