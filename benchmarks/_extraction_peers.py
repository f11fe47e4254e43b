"""Other packages that extract activations, each beside ``og.extract`` on the same words."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
import warnings
from pathlib import Path
from statistics import median

import numpy as np
import torch
from _extracting import alternating, batches_of, beside, extracting, seconds
from _minilm import SITES, corpus, model_folder
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

import onegrain as og


def neurox(sentences: int, folder: Path):
    """NeuroX's extractor with HDF5; both sides load the model, read the text and write the file."""
    from neurox.data.extraction.transformers_extractor import extract_representations

    words, text = corpus("train", sentences), folder / "words.txt"
    text.write_text("".join(" ".join(sentence) + "\n" for sentence in words.sentences()), encoding="utf-8")
    model, theirs, ours = model_folder(), folder / "neurox.hdf5", folder / "ours.zarr"

    def run_theirs() -> float:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return seconds(
                lambda: extract_representations(str(model), str(text), str(theirs), output_type="hdf5")
            )

    def run_ours() -> float:
        shutil.rmtree(ours, ignore_errors=True)
        return seconds(lambda: og.extract(model, og.read_corpus(text), ours, sites=SITES))

    @torch.inference_mode()
    def least() -> None:
        """What no extractor does without: load the model, and run it over these words."""
        alone = og.load_model(model).model
        for batch in batches:
            alone(**batch)

    batches = batches_of(og.load_model(model), words, folder, SITES)
    run_ours()
    peer, own = alternating(run_theirs, run_ours)
    bare = [seconds(least) for _ in peer]
    found, mine = og.import_neurox(theirs, folder / "theirs.zarr", corpus=words), og.open_activations(ours)
    differ = float(np.abs(found.values() - mine.values()).max())
    figures = beside(peer, own, words.n_words) | {
        "most_that_values_differ": differ,
        "load_and_forward_seconds": bare,
        "ratio_of_load_and_forward": median(peer) / median(bare),
    }
    return median(peer) / median(own), figures


def nnsight(sentences: int, folder: Path):
    """NNsight around the same MiniLM, tracing the seven residual outputs of the same batches into memory.

    It neither finds the words' subwords nor writes anything.
    """
    from nnsight import NNsight

    loaded, words = og.load_model(model_folder()), corpus("dev", sentences)
    batches = batches_of(loaded, words, folder, SITES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = NNsight(og.load_model(model_folder()).model)

    def one(batch):
        with torch.inference_mode(), traced.trace(**batch):
            saved = [traced.embeddings.output.save()]
            for layer in traced.encoder.layer:
                saved.append(layer.output.save())
            saved.save()
        return saved

    def run_theirs() -> float:
        return seconds(lambda: [one(batch) for batch in batches])

    assert [tuple(value.shape) for value in one(batches[0])] == [(*batches[0]["input_ids"].shape, 384)] * len(
        SITES
    )
    peer, own = alternating(run_theirs, extracting(loaded, words, folder, SITES))
    return median(peer) / median(own), beside(peer, own, words.n_words)


def transformerlens(sentences: int, folder: Path):
    """TransformerLens's bridge around a random GPT-2 of the small size; ``run_with_cache`` of the same batches.

    It keeps the thirteen residual streams only, leaves out the logits, and writes nothing.
    """
    from transformer_lens.model_bridge import TransformerBridge

    place, tokenizer = folder / "gpt2", AutoTokenizer.from_pretrained(model_folder())
    tokenizer.model_max_length = 1024
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config()).save_pretrained(place)
    tokenizer.save_pretrained(place)
    loaded, words = og.load_model(place), corpus("dev", sentences)
    sites = ["embeddings", *(f"layers.{layer}" for layer in range(12))]
    batches = batches_of(loaded, words, folder, sites)
    # a copy of its own: the bridge rebuilds the model that it is given
    bridge = TransformerBridge.boot_transformers(
        str(place), hf_model=GPT2LMHeadModel.from_pretrained(place).eval(), tokenizer=tokenizer, device="cpu"
    )

    def kept(name: str) -> bool:
        return name == "blocks.0.hook_resid_pre" or name.endswith("hook_resid_post")

    @torch.inference_mode()
    def one(batch):
        ids, mask = batch["input_ids"], batch["attention_mask"]
        return bridge.run_with_cache(ids, attention_mask=mask, return_type=None, names_filter=kept)[1]

    assert len(one(batches[-1])) == len(sites)
    peer, own = alternating(
        lambda: seconds(lambda: [one(batch) for batch in batches]), extracting(loaded, words, folder, sites)
    )
    return median(peer) / median(own), beside(peer, own, words.n_words)


def measured(limit: int | None):
    """Ratios and figures of every peer; one that cannot run is told as a sentence, and stops nothing."""
    ratios, figures = {}, {}
    for name, peer, most in (
        ("neurox", neurox, 500),
        ("nnsight", nnsight, 1000),
        ("transformerlens", transformerlens, 100),
    ):
        with tempfile.TemporaryDirectory() as folder:
            try:
                ratios[f"vs_{name}"], figures[name] = peer(min(most, limit or most), Path(folder))
            except Exception as error:
                figures[name] = (
                    f"{name} did not run: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
                )
    return ratios, figures
