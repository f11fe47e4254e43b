"""Test that files written without the page cache have the right content."""

from __future__ import annotations

import mmap
import os

import numpy as np
import pytest

from onegrain.activations.store.places import direct_io as direct


def paged(size: int) -> memoryview:
    """Return random bytes that begin at a page of memory."""
    buffer = np.frombuffer(mmap.mmap(-1, size), dtype=np.uint8)
    buffer[:] = np.random.default_rng(size).integers(256, size=size)
    return buffer.data


@pytest.mark.parametrize("size", [0, 1, 4096, 40961, 3 * 2**20 + 17])
def test_every_byte_arrives(tmp_path, monkeypatch, size):
    monkeypatch.setattr(direct, "LEAST_BYTES", 4096)
    monkeypatch.setattr(direct, "LARGEST_WRITE", 2**20)
    data = paged(max(1, size))[:size]
    for name, piece in (("paged", data), ("bytes", bytes(data)), ("askew", paged(size + 1)[1:])):
        direct.write_file(tmp_path / name, [piece])
        assert (tmp_path / name).read_bytes() == bytes(piece)
    direct.write_file(tmp_path / "paged", [b"short"])
    assert (tmp_path / "paged").read_bytes() == b"short"


@pytest.mark.parametrize("last", [0, 1, 4096, 9001])
def test_pieces_are_put_one_behind_the_other(tmp_path, monkeypatch, last):
    monkeypatch.setattr(direct, "LEAST_BYTES", 4096)
    pieces = [bytes(paged(size)) for size in (8192, 4096, 12288)] + [bytes(paged(max(1, last))[:last])]
    buffer = paged(12288)

    def one_after_the_other():
        for piece in pieces:
            buffer[: len(piece)] = piece
            yield buffer[: len(piece)]

    direct.write_file(tmp_path / "a", one_after_the_other())
    assert (tmp_path / "a").read_bytes() == b"".join(pieces)
    direct.write_file(tmp_path / "none", [])
    assert (tmp_path / "none").read_bytes() == b""


def test_a_large_page_of_memory_goes_the_direct_way(tmp_path, monkeypatch):
    if not direct.DIRECT:
        pytest.skip("this system has no O_DIRECT")
    monkeypatch.setattr(direct, "LEAST_BYTES", 4096)
    opened = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, flags, *rest: opened.append(flags) or real(path, flags, *rest))
    direct.write_file(tmp_path / "a", [paged(8192)])
    assert opened[0] & direct.DIRECT


def test_without_the_direct_way_the_usual_one_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(direct, "LEAST_BYTES", 4096)
    real = os.open

    def refuse(path, flags, *rest):
        if flags & direct.DIRECT:
            raise OSError(22, "Invalid argument")
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", refuse)
    data = paged(20000)
    direct.write_file(tmp_path / "a", [data])
    assert (tmp_path / "a").read_bytes() == bytes(data)
