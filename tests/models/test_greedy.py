"""Greedy search that drops finished rows writes what ``generate`` writes."""

from __future__ import annotations

import numpy as np
import pytest

from onegrain.models import LoadedModel
from onegrain.models import greedy as greedy_module
from onegrain.models.greedy import greedy_search
from onegrain.models.translating import generation_settings
from support.tiny import parallel_corpus
from support.zoo import TRANSLATION_MODELS, Zoo


@pytest.mark.parametrize("share", [0.0, 1.0], ids=["never dropped", "dropped at once"])
@pytest.mark.parametrize("name", ["nmt", *TRANSLATION_MODELS])
def test_greedy_search_writes_what_generate_writes(
    models: dict[str, LoadedModel], zoo: Zoo, name: str, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greedy_module, "STILL_RUNNING", share)
    loaded, corpus = models[name] if name in models else zoo[name], parallel_corpus()
    expected = loaded.translate(corpus, max_new_tokens=20)
    rows = [encoded.ids for encoded in loaded.encode(list(corpus.sentences()), corpus.forms())]
    (decoder,), (labels,) = loaded.encode_target([["a"]]), loaded.encode_labels([["a"]])
    start = decoder.ids[: 1 + labels.word_of.index(0)]
    limits = [min(20, 2 * len(row) + 10) for row in rows]
    written = greedy_search(loaded, rows, limits, start, generation_settings(loaded, 1))
    texts = loaded.tokenizer.batch_decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert [text.strip() for text in texts] == expected
    assert all(len(ids) - len(start) <= limit for ids, limit in zip(written, limits, strict=True))
    assert np.all([ids[: len(start)] == start for ids in written])
