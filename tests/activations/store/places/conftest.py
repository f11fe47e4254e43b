"""Fixtures of the tests of stores at a URL: an S3 server on loopback, a bucket, and the bytes to expect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from activations.store.test_resume import content
from onegrain.activations import extract
from support.tiny import plain_corpus

if TYPE_CHECKING:
    from support.s3_server import S3Server


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    from support.s3_server import S3Server

    s3_server = S3Server()
    yield s3_server
    s3_server.stop()


@pytest.fixture
def settings(server: S3Server, monkeypatch) -> None:
    """Point fsspec to the server with environment variables, as a user would."""
    import s3fs

    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    server.refuse = lambda method, path: None
    server.after = lambda method, path: None


@pytest.fixture
def bucket(server: S3Server, settings: None) -> str:
    return server.new_bucket()


@pytest.fixture
def url(bucket: str) -> str:
    return f"s3://{bucket}/a.zarr"


@pytest.fixture
def small_shards(monkeypatch) -> None:
    monkeypatch.setattr("onegrain.activations.store.layout.MOST_ROWS", 20)
    monkeypatch.setattr("onegrain.activations.extraction.extract.READ_BYTES", 1)


@pytest.fixture
def local_files(models, tmp_path, small_shards) -> dict[str, bytes]:
    """Return the files of the store that every run must produce, from a run on disk."""
    extract(models["nlm"], plain_corpus(), tmp_path / "whole.zarr")
    return content(tmp_path / "whole.zarr")
