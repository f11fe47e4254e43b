"""Test that blocks above the highest site do not run, and that this changes no value."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest

from onegrain.activations import extract
from onegrain.activations.extraction.reader import Reader
from onegrain.activations.store import writer as writing
from support.tiny import plain_corpus
from support.zoo import LAYERS, TRANSLATION_MODELS, ZOO, zoo_corpus

SIDES = [(name, "source") for name in ZOO] + [(name, "target") for name in TRANSLATION_MODELS]
BELOW = ["**layers.0", "**layers.0.*", "**embeddings"]
"""Every site of the first block but its heads."""


def corpus_of_fitting_sentences():
    """Leave out sentences whose translation has more subwords than the models read, for any tokenizer."""
    corpus = zoo_corpus()
    return corpus.select([number for number, words in enumerate(corpus.target.sentences()) if len(words) < 19])


@contextmanager
def calls_of(loaded, points) -> Iterator[list[str]]:
    """Yield a list that receives the path of a point's module each time the module is called."""
    called: list[str] = []
    with ExitStack() as stack:
        for path in {point.module for point in points}:
            module = loaded.model.get_submodule(path)
            stack.callback(module.register_forward_pre_hook(lambda *_, path=path: called.append(path)).remove)
        yield called


def residuals(loaded, side: str):
    """Return the residual sites of one side, from the lowest block to the highest."""
    return [point for point in loaded.points.values() if point.residual and point.side == side]


@pytest.mark.parametrize(("name", "side"), SIDES)
def test_blocks_above_the_highest_site_do_not_run(zoo, tmp_path, monkeypatch, name, side):
    loaded, corpus = zoo[name], corpus_of_fitting_sentences()
    lower, upper = residuals(loaded, side)
    extract(loaded, corpus.head(1), tmp_path / "trial.zarr", sites=BELOW, side=side)
    with calls_of(loaded, [lower, upper]) as called:
        stopped = extract(loaded, corpus, tmp_path / "stopped.zarr", sites=BELOW, side=side)
    assert lower.module in called
    assert upper.module not in called
    monkeypatch.setattr(Reader, "_stops", False)
    with calls_of(loaded, [upper]) as called:
        complete = extract(loaded, corpus, tmp_path / "complete.zarr", sites=BELOW, side=side)
    assert called
    assert lower.name in stopped.space.sites
    assert stopped.space == complete.space
    assert stopped.values().tobytes() == complete.values().tobytes()


@pytest.mark.parametrize(("name", "side"), SIDES)
def test_all_blocks_below_the_highest_site_run(zoo, tmp_path, monkeypatch, name, side):
    """The value after the last block is that of a complete pass, in which a norm may follow it."""
    loaded, corpus = zoo[name], corpus_of_fitting_sentences()
    sites = ["**layers.*", "**layers.*.mlp"]
    stopped = extract(loaded, corpus, tmp_path / "stopped.zarr", sites=sites, side=side)
    monkeypatch.setattr(Reader, "_stops", False)
    complete = extract(loaded, corpus, tmp_path / "complete.zarr", sites=sites, side=side)
    assert len(stopped.space.sites) == 2 * LAYERS
    assert stopped.values().tobytes() == complete.values().tobytes()


def test_a_pass_ends_within_a_block(zoo, tmp_path):
    loaded, corpus = zoo["llama"], plain_corpus()
    sites = ["layers.0.attn"]
    extract(loaded, corpus.head(1), tmp_path / "trial.zarr", sites=sites)
    with calls_of(loaded, [loaded.points["layers.0.attn"], loaded.points["layers.0.mlp"]]) as called:
        extract(loaded, corpus, tmp_path / "a.zarr", sites=sites)
    assert set(called) == {loaded.points["layers.0.attn"].module}


def test_a_module_path_is_read_in_a_complete_pass(zoo, tmp_path):
    loaded, corpus = zoo["gpt2"], plain_corpus()
    path, upper = "transformer.h.0.mlp.act", residuals(loaded, "source")[1]
    extract(loaded, corpus.head(1), tmp_path / "trial.zarr", sites=path)
    with calls_of(loaded, [upper]) as called:
        extract(loaded, corpus, tmp_path / "a.zarr", sites=path)
    assert called


def test_a_model_is_usable_after_a_stopped_pass(zoo, tmp_path):
    loaded, corpus = zoo["gpt2"], plain_corpus()
    before, _ = loaded.sentence_losses(corpus)
    extract(loaded, corpus, tmp_path / "a.zarr", sites="layers.0")
    after, _ = loaded.sentence_losses(corpus)
    np.testing.assert_array_equal(after, before)


def test_an_interrupted_run_stops_at_the_same_site(zoo, tmp_path, monkeypatch):
    """The bytes of a resumed store are those of an uninterrupted one."""
    monkeypatch.setattr("onegrain.activations.store.layout.MOST_ROWS", 16)
    monkeypatch.setattr("onegrain.activations.extraction.extract.READ_BYTES", 1)
    loaded, corpus = zoo["gpt_neox"], plain_corpus()
    expected = extract(loaded, corpus, tmp_path / "a.zarr", sites=BELOW)
    write, written = writing.StoreWriter.write, []

    def fail_after_two(self, *blocks):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(blocks)
        write(self, *blocks)

    monkeypatch.setattr(writing.StoreWriter, "write", fail_after_two)
    with pytest.raises(KeyboardInterrupt):
        extract(loaded, corpus, tmp_path / "b.zarr", sites=BELOW)
    monkeypatch.setattr(writing.StoreWriter, "write", write)
    resumed = extract(loaded, corpus, tmp_path / "b.zarr", sites=BELOW)
    assert resumed.values().tobytes() == expected.values().tobytes()
