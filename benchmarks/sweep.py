"""Compare a sweep of 40 points, measured together, with 40 separate measurements, and with nnsight."""

# peers:
# may fail: httpcore==1.0.9 h11==0.16.0 nnsight==0.8.1 greenlet==3.5.6
# may fail: websocket-client==1.9.2 zstandard==0.25.0 httpx==0.28.1
# what: BLEU and perplexity at 40 points of a sweep: a translation model, an LSTM, a transformer, SmolLM2

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from _extracting import seconds
from _smollm2 import smollm2_folder
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel

import onegrain as og
from onegrain.interventions import Intervention, editing, measure_interventions, sweep_counts
from onegrain.metrics import BLEU, Perplexity
from onegrain.models import (
    LSTMLanguageModel,
    LSTMLanguageModelConfig,
    LSTMTranslationConfig,
    LSTMTranslationModel,
)
from onegrain.models.batching import by_length
from onegrain.models.lstm.tokenization import train_tokenizer

LIMIT = int(os.environ.get("ONEGRAIN_BENCH_SENTENCES", "0")) or None
"""Largest number of sentences of each part; unlimited by default."""
SENTENCES = {"translation": 256, "language_model": 512, "transformer": 256, "llm": 128}
VOCABULARY, BATCH, COUNTS = 8000, 64, 20
NEW_TOKENS = 128
END = float(os.environ.get("ONEGRAIN_BENCH_END", "5"))
"""Factor of the end token's weights. With random weights alone no translation ends before its limit; with this
factor the translations are about as long as the references."""
KEYS = os.environ.get("ONEGRAIN_BENCH_KEYS", "translation language_model transformer llm").split()


def say(message: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {message}\n")
    sys.stderr.flush()


def data() -> Path:
    """Return the folder of Multi30k."""
    folder = Path(os.environ.get("ONEGRAIN_DATA", Path(__file__).parents[2] / "shared" / "data")) / "multi30k"
    if not folder.is_dir():
        raise SystemExit(f"no Multi30k at {folder}; set ONEGRAIN_DATA to the corpora's folder")
    return folder


def sentences(key: str):
    """Return the first sentences of the test part of 2016, English with German."""
    limit = min(SENTENCES[key], LIMIT or SENTENCES[key])
    return og.read_parallel(data() / "test_2016_flickr.en", data() / "test_2016_flickr.de", limit=limit)


def saved(folder: Path, key: str):
    """Build a model of the real size with random weights, and return it loaded."""
    path, training = folder / key, og.read_parallel(data() / "train.en", data() / "train.de")
    sides = [training, training.target] if key == "translation" else [training]
    tokenizer = train_tokenizer(sides, VOCABULARY, starts_with_bos=key != "translation", max_length=512)
    size = len(tokenizer)
    torch.manual_seed(0)
    if key == "translation":
        model = LSTMTranslationModel(LSTMTranslationConfig(vocab_size=size))
    elif key == "language_model":
        model = LSTMLanguageModel(LSTMLanguageModelConfig(vocab_size=size))
    else:
        model = GPT2LMHeadModel(
            GPT2Config(vocab_size=size, n_layer=6, bos_token_id=1, eos_token_id=2, pad_token_id=0)
        )
    if key == "translation":
        with torch.no_grad():
            model.lm_head.weight[tokenizer.eos_token_id] *= END
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return og.load_model(path, device="cpu")


def points(loaded, sites: list[str]):
    """Return 40 points: the sites' neurons in a random order, from its beginning and from its end."""
    space = loaded.space(sites)
    order = np.random.default_rng(0).permutation(space.size)
    counts = sweep_counts(space.size, steps=COUNTS - 1)
    assert len(counts) == COUNTS
    return [[Intervention.of(space, line[:count])] for line in (order, order[::-1]) for count in counts]


def measured(loaded, metric, sites: list[str]):
    """Return the ratio of the two times, and the figures."""
    variants = points(loaded, sites)
    few = points(loaded, sites)[1:3]

    def separately():
        values = []
        for variant in variants:
            with editing(loaded, variant):
                values.append(metric.measure(loaded, batch_size=BATCH))
        return values

    results = {}

    def run(name: str, work) -> float:
        start = time.process_time()
        spent = seconds(lambda: results.__setitem__(name, work()))
        figures[f"{name}_processor_seconds"] = time.process_time() - start
        return spent

    figures: dict[str, object] = {}
    list(measure_interventions(loaded, metric, few, batch_size=BATCH))  # warms up both sides
    together_seconds = run(
        "together", lambda: list(measure_interventions(loaded, metric, variants, batch_size=BATCH))
    )
    separate_seconds = run("separate", separately)
    differences = [
        float(np.abs(ours.statistics - theirs.statistics).max() / np.abs(theirs.statistics).max())
        for ours, theirs in zip(results["together"], results["separate"], strict=True)
    ]
    figures |= {
        "separate_seconds": separate_seconds,
        "together_seconds": together_seconds,
        "points": len(variants),
        "different_points": len({variant[0] for variant in variants}),
        "sentences": metric.corpus.n_sentences,
        "neurons": loaded.space(sites).size,
        "largest_relative_difference": max(differences),
    }
    return separate_seconds / together_seconds, figures


def nnsight_seconds(loaded, corpus, sites: list[str]) -> tuple[float, list[float]]:
    """Return the seconds of the same points in nnsight, with the same batches, and the perplexities."""
    from nnsight import NNsight

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = NNsight(og.load_model(loaded.identity.id, device="cpu").model)
    rows = [
        [loaded.bos_id] * (loaded.bos_id is not None) + row.ids
        for row in loaded.encode(list(corpus.sentences()))
    ]
    batches = [
        loaded.batch([rows[row] for row in batch]) for batch in by_length([len(row) for row in rows], BATCH)
    ]

    def losses(neurons, batch) -> tuple[float, int]:
        with torch.inference_mode():
            if neurons:
                with traced.trace(**batch):
                    for site, units in neurons:
                        layer = traced.model.layers[int(site.split(".")[1])]
                        if site.endswith(".mlp"):
                            layer.mlp.down_proj.input[:, :, units] = 0.0
                        else:
                            layer.output[:, :, units] = 0.0
                    logits = traced.output.logits.save()
            else:
                with traced.trace(**batch):
                    logits = traced.output.logits.save()
            wanted = batch["input_ids"][:, 1:].masked_fill(batch["attention_mask"][:, 1:] == 0, -100)
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), wanted.flatten(), reduction="sum")
        return float(loss), int((wanted != -100).sum())

    def value(variant) -> float:
        ordered = [
            (site, variant[0].neurons[site])
            for site in execution_order(sites, loaded)
            if site in variant[0].neurons
        ]
        neurons = [(site, torch.tensor(units)) for site, units in ordered]
        parts = [losses(neurons, batch) for batch in batches]
        return float(np.exp(sum(loss for loss, _ in parts) / sum(count for _, count in parts)))

    variants, values = points(loaded, sites), []
    value(variants[1])
    return seconds(lambda: values.extend(map(value, variants))), values


def execution_order(sites: list[str], loaded) -> list[str]:
    """Return the sites in the order in which the model passes them: a block's MLP before the block's output."""
    names = loaded.space(sites).sites
    return sorted(names, key=lambda name: (int(name.split(".")[1]), not name.endswith(".mlp")))


SITES = {
    "translation": ["encoder.embeddings", "encoder.layers.*"],
    "language_model": ["layers.*"],
    "transformer": ["layers.3", "layers.4", "layers.5"],
    "llm": ["layers.2?"],
}


def main() -> None:
    ratios, figures = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for key in KEYS:
            random_model = key != "llm"
            loaded = saved(Path(folder), key) if random_model else og.load_model(smollm2_folder(), device="cpu")
            corpus = sentences(key)
            metric = BLEU(corpus, max_new_tokens=NEW_TOKENS) if key == "translation" else Perplexity(corpus)
            say(key)
            ratios[key], figures[key] = measured(loaded, metric, SITES[key])
            say(json.dumps(figures[key]))
            if key == "llm":
                try:
                    spent, values = nnsight_seconds(loaded, corpus, SITES[key])
                    ratios["vs_nnsight"] = spent / figures[key]["together_seconds"]
                    figures["nnsight"] = {"seconds": spent, "perplexities": values[:3]}
                except Exception as error:
                    figures["nnsight"] = f"did not run: {type(error).__name__}: {str(error)[:300]}"
    figures["cores"] = torch.get_num_threads()
    print(json.dumps({"name": "sweep", "ratios": ratios, "figures": figures}))


if __name__ == "__main__":
    main()
