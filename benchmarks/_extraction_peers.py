"""Compare ``og.extract`` with other packages that extract activations, on the same words."""

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
    """Compare with NeuroX's extractor to HDF5; both sides load the model, read the text and write the file."""
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
    def load_and_run() -> None:
        """Do only what every extractor must do: load the model and run it over these words."""
        bare_model = og.load_model(model).model
        for batch in batches:
            bare_model(**batch)

    batches = batches_of(og.load_model(model), words, folder, SITES)
    run_ours()
    peer_seconds, our_seconds = alternating(run_theirs, run_ours)
    bare_seconds = [seconds(load_and_run) for _ in peer_seconds]
    their_store = og.import_neurox(theirs, folder / "theirs.zarr", corpus=words)
    difference = float(np.abs(their_store.values() - og.open_activations(ours).values()).max())
    figures = beside(peer_seconds, our_seconds, words.n_words) | {
        "most_that_values_differ": difference,
        "load_and_forward_seconds": bare_seconds,
        "ratio_of_load_and_forward": median(peer_seconds) / median(bare_seconds),
    }
    return median(peer_seconds) / median(our_seconds), figures


def nnsight(sentences: int, folder: Path):
    """Compare with NNsight, which traces the seven residual outputs of the same batches of MiniLM into memory.

    It neither locates the words' subwords nor writes anything.
    """
    from nnsight import NNsight

    loaded, words = og.load_model(model_folder()), corpus("dev", sentences)
    batches = batches_of(loaded, words, folder, SITES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = NNsight(og.load_model(model_folder()).model)

    def trace(batch):
        with torch.inference_mode(), traced.trace(**batch):
            saved = [traced.embeddings.output.save()]
            for layer in traced.encoder.layer:
                saved.append(layer.output.save())
            saved.save()
        return saved

    def run_theirs() -> float:
        return seconds(lambda: [trace(batch) for batch in batches])

    assert [tuple(value.shape) for value in trace(batches[0])] == [(*batches[0]["input_ids"].shape, 384)] * len(
        SITES
    )
    peer_seconds, our_seconds = alternating(run_theirs, extracting(loaded, words, folder, SITES))
    return median(peer_seconds) / median(our_seconds), beside(peer_seconds, our_seconds, words.n_words)


def transformerlens(sentences: int, folder: Path):
    """Compare with TransformerLens: ``run_with_cache`` of its bridge around a random GPT-2 of the small size.

    It reads the same batches, keeps only the thirteen residual streams, skips the logits and writes nothing.
    """
    from transformer_lens.model_bridge import TransformerBridge

    model_path, tokenizer = folder / "gpt2", AutoTokenizer.from_pretrained(model_folder())
    tokenizer.model_max_length = 1024
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config()).save_pretrained(model_path)
    tokenizer.save_pretrained(model_path)
    loaded, words = og.load_model(model_path), corpus("dev", sentences)
    sites = ["embeddings", *(f"layers.{layer}" for layer in range(12))]
    batches = batches_of(loaded, words, folder, sites)
    # a separate copy, because the bridge rebuilds the model that it receives
    bridge = TransformerBridge.boot_transformers(
        str(model_path),
        hf_model=GPT2LMHeadModel.from_pretrained(model_path).eval(),
        tokenizer=tokenizer,
        device="cpu",
    )

    def is_kept(name: str) -> bool:
        return name == "blocks.0.hook_resid_pre" or name.endswith("hook_resid_post")

    @torch.inference_mode()
    def run_batch(batch):
        ids, mask = batch["input_ids"], batch["attention_mask"]
        return bridge.run_with_cache(ids, attention_mask=mask, return_type=None, names_filter=is_kept)[1]

    assert len(run_batch(batches[-1])) == len(sites)
    peer_seconds, our_seconds = alternating(
        lambda: seconds(lambda: [run_batch(batch) for batch in batches]),
        extracting(loaded, words, folder, sites),
    )
    return median(peer_seconds) / median(our_seconds), beside(peer_seconds, our_seconds, words.n_words)


def measured(limit: int | None):
    """Return the ratios and figures of every peer; for a peer that cannot run, the figure is a message."""
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
