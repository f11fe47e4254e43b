"""The Python of docs/store.md runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from support import ROOT
from support.tiny import plain_corpus, tiny_nlm

PAGE = ROOT / "docs" / "store.md"


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder with the model and corpus that the page names, and the bucket, on a server on loopback."""
    s3fs = pytest.importorskip("s3fs")
    pytest.importorskip("xarray")
    pytest.importorskip("moto")
    from support.s3_server import S3Server

    tiny_nlm(tmp_path / "model")
    lines = []
    corpus = plain_corpus()
    for begin, end in zip(corpus.offsets[:-1], corpus.offsets[1:], strict=True):
        words = corpus.words[begin:end]
        lines += [f"{n}\t{word}\t_\t{'VERB' if n % 3 else 'X'}" + "\t_" * 6 for n, word in enumerate(words, 1)]
        lines.append("")
    # the page slices words 100 to 119
    (tmp_path / "words.conllu").write_text("\n".join(lines * 2) + "\n")
    server = S3Server()
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    server.client().create_bucket(Bucket="my-bucket")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    server.stop()


def test_every_block_runs(place):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 6
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["acts"].path == "s3://my-bucket/words.zarr"
    assert names["verbs"].size
    assert names["last"].n_neurons == 16
    assert names["view"].dims == ("word", "neuron")
    np.testing.assert_array_equal(names["group"]["activations"][:], names["acts"].values())


def test_the_sizes_on_the_page_are_right():
    from onegrain.activations.store import layout
    from onegrain.activations.store.places import lease

    text = " ".join(PAGE.read_text().split())
    for sentence in (
        f"up to {layout.MOST_ROWS} words",
        f"up to {layout.CHUNK_ROWS} words and {layout.CHUNK_COLUMNS} neurons",
        f"every {lease.RENEWED_SECONDS:.0f} seconds",
        f"elsewhere {lease.LAPSED_SECONDS:.0f} seconds after",
    ):
        assert sentence in text, sentence
    assert "1/782 of the store" in text
    assert -(-50_000 // layout.CHUNK_COLUMNS) == 782
