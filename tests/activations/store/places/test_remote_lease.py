"""Test that only one writer holds a store at a URL."""

from __future__ import annotations

import gc
import json
import socket
import threading
import time
import uuid

import pytest

from onegrain.activations.store.places.lease import Lease
from onegrain.activations.store.places.locate import folder_at
from onegrain.errors import (
    OutputExistsError,
    StorageError,
)
from support.remote import lease_threads, run, script

pytest.importorskip("s3fs", reason="stores on S3 need s3fs")
pytest.importorskip("moto", reason="the tests of stores on S3 need moto's server")
from support.s3_server import S3Server


def test_a_second_process_is_refused_until_the_first_is_killed(models, server, bucket, url, local_files):
    with script(server, "hold", url) as other:
        assert other.stdout.readline() == "holding\n"
        for force in (False, True):
            with pytest.raises(OutputExistsError, match=rf"process {other.pid} on .*is at work on {url}"):
                run(models, url, force=force)
        other.kill()
    run(models, url)
    assert server.content(bucket, "a.zarr/") == local_files


def test_of_two_that_begin_at_once_one_wins(server, bucket):
    for attempt in range(10):
        objects = folder_at(f"s3://{bucket}/{attempt}.zarr")._objects
        won, start = [], threading.Barrier(2)

        def begin(objects=objects, won=won, start=start) -> None:
            start.wait()
            try:
                won.append(Lease(objects, "writer.json"))
            except OutputExistsError:
                won.append(None)

        threads = [threading.Thread(target=begin) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(lease is not None for lease in won) == 1
        next(lease for lease in won if lease is not None).release()
    assert not server.content(bucket)


def test_who_looked_before_another_began_does_not_take_its_lease(server, bucket, url, monkeypatch):
    """The other writer begins between this one's look and its write, which must be conditional."""
    objects, won = folder_at(url)._objects, []
    read = objects.read

    def interrupted(name: str) -> bytes | None:
        content = read(name)
        if not won:
            won.append(Lease(folder_at(url)._objects, name))
        return content

    monkeypatch.setattr(objects, "read", interrupted)
    with pytest.raises(OutputExistsError, match="is at work on"):
        Lease(objects, "writer.json")
    won[0].require_held()
    won[0].release()
    assert not server.content(bucket)


def test_of_two_processes_that_begin_at_once_one_wins(server, bucket, url):
    with script(server, "begin", url) as first, script(server, "begin", url) as second:
        for other in (first, second):
            assert other.stdout.readline() == "ready\n"
        for other in (first, second):
            print("go", file=other.stdin, flush=True)
        assert sorted(other.stdout.readline() for other in (first, second)) == ["refused\n", "writing\n"]
        for other in (first, second):
            other.stdin.close()
    assert "a.zarr/writer.json" not in server.content(bucket)


def put_lease(server: S3Server, url: str, **says: object) -> None:
    bucket, _, key = f"{url.removeprefix('s3://')}/writer.json".partition("/")
    held = {"owner": uuid.uuid4().hex, "host": "elsewhere", "machine": "m", "process": 7, "began": 1.0}
    server.client().put_object(
        Bucket=bucket, Key=key, Body=json.dumps({**held, "renewed": time.time(), **says}).encode()
    )


def test_the_lease_of_another_machine_is_respected_until_it_lapses(models, server, bucket, url, local_files):
    put_lease(server, url)
    with pytest.raises(OutputExistsError, match=r"another writer .process 7 on elsewhere. is at work on s3://"):
        run(models, url, force=True)
    # a container of the same name is another machine
    put_lease(server, url, host=socket.gethostname(), renewed=time.time() - 100)
    with pytest.raises(OutputExistsError, match="or died less than 120 seconds ago"):
        run(models, url)
    put_lease(server, url, renewed=time.time() - 121)
    run(models, url)
    assert server.content(bucket, "a.zarr/") == local_files


def test_a_damaged_lease_is_ignored(models, server, bucket, url, local_files):
    put_lease(server, url, renewed="yesterday")
    run(models, url)
    assert server.content(bucket, "a.zarr/") == local_files


def test_a_lease_is_renewed_and_released(server, bucket, url, monkeypatch):
    monkeypatch.setattr("onegrain.activations.store.places.lease.RENEWED_SECONDS", 0.05)
    release = folder_at(url).hold()
    first = server.content(bucket)["a.zarr/writer.json"]
    deadline = time.monotonic() + 10
    while server.content(bucket)["a.zarr/writer.json"] == first:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    release()
    release()
    assert not server.content(bucket)
    assert not lease_threads()


def test_no_lease_outlives_its_writer(server, url):
    """This also holds for a writer that was never closed."""
    folder_at(url).hold()
    gc.collect()
    for thread in lease_threads():
        thread.join(5)
    assert not lease_threads()


def test_who_is_taken_over_while_asleep_writes_no_more(server, bucket, url, monkeypatch):
    folder = folder_at(url)
    release = folder.hold()
    folder.write("a", b"1")
    put_lease(server, url)
    monkeypatch.setattr("onegrain.activations.store.places.lease.LAPSED_SECONDS", 0.0)
    for change in (lambda: folder.write("a", b"2"), lambda: folder.remove("a")):
        with pytest.raises(StorageError, match=r"another writer took over s3://.* because this one"):
            change()
    release()
    assert sorted(server.content(bucket)) == ["a.zarr/a", "a.zarr/writer.json"]
    assert server.content(bucket)["a.zarr/a"] == b"1"
