"""Test runs that end early and services that fail."""

from __future__ import annotations

import os
import signal
import socket
import time

import numpy as np
import pytest

from activations.store.test_resume import StopWorkError, stop_after
from onegrain.activations import open_activations
from onegrain.errors import (
    MismatchError,
    RecordError,
    StorageError,
)
from support.remote import lease_threads, run, script

pytest.importorskip("s3fs", reason="stores on S3 need s3fs")
pytest.importorskip("moto", reason="the tests of stores on S3 need moto's server")


@pytest.mark.parametrize("advances", [0, 1, 2, 4])
def test_an_interrupted_run_resumes_to_the_same_bytes(models, server, bucket, url, local_files, advances):
    with pytest.raises(StopWorkError):
        run(models, url, progress=stop_after(advances))
    assert not lease_threads()
    assert "a.zarr/writer.json" not in server.content(bucket)
    with pytest.raises(RecordError, match="unfinished: run the same extract again"):
        open_activations(url)
    written = {name for name in server.content(bucket, "a.zarr/") if "/c/" in name and "activations" in name}
    before = len(server.requests)
    run(models, url)
    puts = {path.partition("a.zarr/")[2] for method, path in server.requests[before:] if method == "PUT"}
    assert not written & puts
    assert server.content(bucket, "a.zarr/") == local_files


def test_other_content_does_not_resume(models, server, url, small_shards):
    with pytest.raises(StopWorkError):
        run(models, url, progress=stop_after(2))
    with pytest.raises(MismatchError, match="begun with other parameters"):
        run(models, url, dtype="float16")
    assert run(models, url, dtype="float16", force=True).array.dtype == np.float16


@pytest.mark.parametrize(
    ("stride", "least"), [(8, 4), pytest.param(1, 28, marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_killed_after_any_change_it_ends_in_the_same_bytes(models, server, bucket, local_files, stride, least):
    """Kill the writer after the server's n-th change; its lease does not delay the next writer."""
    with script(server, "runs", models["nlm"].identity.id) as other:

        def runs(url: str, kill_at: int | None) -> str:
            left = kill_at

            def after(method: str, path: str) -> None:
                nonlocal left
                if method in ("PUT", "DELETE", "POST") and left is not None:
                    if left == 0:
                        os.kill(child, signal.SIGKILL)
                    left -= 1

            print(url, file=other.stdin, flush=True)
            child = int(other.stdout.readline())
            server.after = after
            other.stdin.write("go\n")
            other.stdin.flush()
            ended = other.stdout.readline().strip()
            server.after = lambda method, path: None
            return ended

        kills, change, ended = 0, 0, "-9"
        while ended == "-9":
            name = f"a{change}.zarr"
            ended = runs(f"s3://{bucket}/{name}", change)
            if ended == "-9":
                kills += 1
                began = time.monotonic()
                if server.content(bucket, f"{name}/").keys() - {"writer.json"} != local_files.keys():
                    assert runs(f"s3://{bucket}/{name}", None) == "0"
                    assert time.monotonic() - began < 20
                    assert server.content(bucket, f"{name}/") == local_files
            change += stride
        assert ended == "0"
        assert kills >= least
        other.stdin.close()


def refusal(models, url: str) -> str:
    """Return the one-line message of a refused run, without details of the service's library."""
    began = time.monotonic()
    messages = []

    def progress(*asked):
        messages.append(asked)
        raise AssertionError

    with pytest.raises(StorageError) as caught:
        run(models, url, progress=progress)
    assert not messages
    assert time.monotonic() - began < 15
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


def test_a_missing_bucket_is_reported_before_any_work(models, settings):
    assert "create the bucket or folder first" in refusal(models, "s3://no-such-bucket/a.zarr")
    with pytest.raises((RecordError, StorageError), match="does not exist"):
        open_activations("s3://no-such-bucket/a.zarr")


def test_missing_permissions_are_reported_before_any_work(models, server, url):
    server.refuse = lambda method, path: 403
    assert "check the credentials and their permissions" in refusal(models, url)
    server.refuse = lambda method, path: 403 if method == "PUT" else None
    assert "AWS_ACCESS_KEY_ID" in refusal(models, url)
    with pytest.raises(RecordError, match="does not exist"):
        open_activations(url)


def test_missing_credentials_are_reported(models, url, monkeypatch):
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    s3fs.S3FileSystem.clear_instance_cache()
    assert "check the credentials and their permissions" in refusal(models, url)


def test_an_unreachable_service_is_reported_before_any_work(models, url, monkeypatch):
    import s3fs

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        s3fs.S3FileSystem.clear_instance_cache()
        assert "check the network and the address of the service" in refusal(models, url)


def test_a_store_can_resume_after_the_service_refused_requests(models, server, bucket, url, local_files):
    """The service stores two shards and then refuses every request, including the removal of the lease."""
    puts = 0

    def refuse(method: str, path: str) -> int | None:
        nonlocal puts
        puts += method == "PUT" and "/activations/c/" in path
        return 403 if puts > 2 else None

    server.refuse = refuse
    with pytest.raises(
        StorageError, match=rf"cannot use {url}: .*; check the credentials and their permissions"
    ):
        run(models, url)
    server.refuse = lambda method, path: None
    assert not lease_threads()
    assert {"a.zarr/journal.json", "a.zarr/writer.json"} <= server.content(bucket).keys()
    run(models, url)
    assert server.content(bucket, "a.zarr/") == local_files


def test_a_server_that_goes_away_in_the_middle(models, server, bucket, url, local_files):
    with pytest.raises(StopWorkError):
        run(models, url, progress=stop_after(2))
    server.stop()
    try:
        with pytest.raises(StorageError, match="check the network and the address of the service"):
            run(models, url)
    finally:
        server.start()
    run(models, url)
    assert server.content(bucket, "a.zarr/") == local_files


def test_a_bucket_that_is_deleted_in_the_middle(models, server, bucket, url, small_shards):
    def after(method: str, path: str) -> None:
        if method == "PUT" and path.endswith("/activations/c/1/0"):
            server.lose_bucket(bucket)

    server.after = after
    with pytest.raises(StorageError, match="create the bucket or folder first, or choose another output"):
        run(models, url)
