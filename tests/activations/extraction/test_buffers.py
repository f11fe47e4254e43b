"""Test that buffers are reused and never lent twice at the same time."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from onegrain.activations.extraction import capture as capture_module
from onegrain.activations.extraction.buffers import Buffers
from onegrain.activations.extraction.encoding import EncodedRow
from onegrain.errors import ModelError
from onegrain.models.hooks import editing
from onegrain.models.sites import SitePoint
from onegrain.records.space import NeuronSpace


def test_a_buffer_that_is_given_back_is_the_next():
    pool = Buffers(3)
    first = pool.take(5)
    assert len(first) >= 5
    assert first.shape[1] == 3
    assert first.dtype == np.float32
    pool.give(first)
    assert pool.take(4) is first


def test_a_smaller_one_is_replaced():
    pool = Buffers(3)
    pool.give(pool.take(5))
    assert len(pool.take(20)) >= 20


def test_a_slightly_longer_block_fits():
    pool = Buffers(3)
    first = pool.take(40)
    pool.give(first)
    assert pool.take(45) is first


def test_a_second_is_made_while_the_first_is_in_use_and_no_third():
    pool = Buffers(1)
    first = pool.take(2)
    second = pool.take(2)
    assert not np.shares_memory(first, second)
    threading.Timer(0.05, pool.give, [second]).start()
    assert pool.take(2) is second


def row(words: int) -> EncodedRow:
    steps = np.arange(words)
    return EncodedRow(ids=steps, positions=steps, counts=np.ones(words, dtype=np.int64), words=steps)


def test_a_site_that_is_passed_twice_is_refused(models):
    model = models["bert"].model
    point = SitePoint("layers.0", "encoder.layer.0")
    space, into = NeuronSpace(("layers.0",), (16,)), np.zeros((2, 16), dtype=np.float32)

    def refuse(*about):
        raise AssertionError

    capture = capture_module.Capture([point], space, [row(2)], into, 0, refuse)
    ids = torch.tensor([[1, 5]])
    with editing(model, capture.edits()), torch.inference_mode():
        model(input_ids=ids)
        model(input_ids=ids)
    with pytest.raises(ModelError, match=r"layers\.0. runs more than once"):
        capture.finish()
