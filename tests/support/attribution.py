"""Attributions of small models, and the same by a loop over positions."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import torch

import onegrain as og
from onegrain.activations.extraction.encoding import EncodedCorpus
from onegrain.activations.extraction.options import EncodingOptions
from onegrain.models import LoadedModel
from onegrain.rankings.gradients.attribution import Attributions, StraightPath, integrated_gradients
from onegrain.rankings.gradients.loss_batches import ScoredRow, scored_sentences
from onegrain.records.corpus import Corpus
from support.tiny import parallel_corpus

FEW = parallel_corpus().select([2, 4, 6])

LONG = Corpus.from_sentences([("the old dog sleeps near the warm fire " * 10).split(), ["rain", "!"], ["a"]])


def doubled(loaded: LoadedModel) -> LoadedModel:
    """A copy that computes in float64; not of our translation model, whose cells are float32 in any case."""
    if loaded.model.config.model_type == "onegrain_lstm_nmt":
        return loaded
    return replace(loaded, model=deepcopy(loaded.model).double())


def attributed(loaded: Any, corpus: Corpus, *, steps: int = 8, baseline: str = "mean", **read) -> Attributions:
    live = og.live_activations(loaded, corpus, **read)
    return integrated_gradients(live, StraightPath(steps, baseline))


def as_if(loaded: LoadedModel, point, rows: ScoredRow, swap) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss of one sentence by plain torch, with a site's (steps, width) values as ``swap`` makes them."""
    seen, module = [], loaded.model.get_submodule(point.module)
    units = slice(None) if point.units is None else slice(*point.units)

    def change(value):
        flat = value if value.dim() == 2 else value[0]
        changed = flat.clone()
        changed[:, units] = swap(flat[:, units], len(seen) if value.dim() == 2 else slice(None))
        seen.append(flat[:, units].detach())
        return changed if value.dim() == 2 else changed[None]

    def after(module, inputs, output):
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    def before(module, inputs):
        return (change(inputs[0]), *inputs[1:])

    hook = (
        module.register_forward_hook(after)
        if point.reads == "output"
        else module.register_forward_pre_hook(before)
    )
    try:
        ids, labels = torch.tensor([rows.ids]), torch.tensor([rows.labels])
        if loaded.task == "translation":
            log_p = loaded.model(input_ids=ids, labels=labels).logits[0].log_softmax(-1)
        else:
            log_p, labels = loaded.model(input_ids=ids).logits[0, :-1].log_softmax(-1), labels[:, 1:]
        counted = [-log_p[position, label] for position, label in enumerate(labels[0].tolist()) if label >= 0]
        loss = torch.stack(counted).sum() if counted else log_p.sum() * 0
    finally:
        hook.remove()
    return loss, torch.cat(seen)


def naive(loaded: LoadedModel, site: str, corpus: Corpus, *, baseline: str, long: str = "error", steps: int):
    """Attributions (words, units) by a midpoint rule, sentence by sentence, and those of special subwords."""
    (point,) = loaded.select([site])
    rows = EncodedCorpus(loaded, corpus, point.side, EncodingOptions(long=long))
    every = [row for sentence in scored_sentences(rows) for row in sentence]
    values = [as_if(loaded, point, row, lambda value, position: value)[1] for row in every]
    base = torch.zeros_like(values[0][0])
    if baseline == "mean":
        base = torch.cat([value[row.read] for row, value in zip(every, values, strict=True)]).mean(0)
    words, special = np.zeros((rows.read.n_words, len(base))), 0.0
    for row, value in zip(every, values, strict=True):
        slope = torch.zeros_like(value)
        for number in range(steps):
            share = (number + 0.5) / steps
            point_between = (base + share * (value - base)).detach().requires_grad_()
            loss, _ = as_if(
                loaded, point, row, lambda _, step, point_between=point_between: point_between[step]
            )
            slope += torch.autograd.grad(loss, point_between)[0] / steps
        for step, word in enumerate(row.word_of):
            product = ((value[step] - base) * slope[step]).numpy()
            special += product.sum() if word < 0 else 0.0
            if word >= 0:
                words[word] += product
    return words, special
