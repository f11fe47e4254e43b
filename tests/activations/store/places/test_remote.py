"""Test stores at a URL, on a real S3-compatible server on loopback and in memory."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr

import onegrain as og
from activations.store.test_resume import StopWorkError, content, stop_after
from onegrain.activations import extract, open_activations, verify_activations
from onegrain.activations.store.places.lease import Lease
from onegrain.activations.store.places.local import LocalFolder
from onegrain.activations.store.places.locate import folder_at
from onegrain.activations.store.places.remote import RemoteFolder
from onegrain.cli import main
from onegrain.errors import (
    InputError,
    MismatchError,
    MissingExtraError,
    OutputExistsError,
    ParameterError,
    RecordError,
    StorageError,
)
from support import TESTS
from support.tiny import SENTENCES, plain_corpus

pytest.importorskip("s3fs", reason="stores on S3 need s3fs")
pytest.importorskip("moto", reason="the tests of stores on S3 need moto's server")
from support.s3_server import S3Server


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
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


def run(models, url: str, **options) -> og.Activations:
    return extract(models["nlm"], plain_corpus(), url, **options)


def rewrite(server: S3Server, url: str, name: str, change: Callable[[bytes], bytes | None]) -> bytes:
    """Change or remove an object without the library, and return its old content."""
    bucket, _, key = f"{url.removeprefix('s3://')}/{name}".partition("/")
    client = server.client()
    was = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    now = change(was)
    if now is None:
        client.delete_object(Bucket=bucket, Key=key)
    else:
        client.put_object(Bucket=bucket, Key=key, Body=now)
    return was


def flipped(index: int) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        spoilt = bytearray(data)
        spoilt[index] ^= 4
        return bytes(spoilt)

    return change


def lease_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "onegrain-lease"]


def test_the_store_has_the_files_of_one_on_disk(models, server, bucket, url, local_files):
    store = run(models, f"{url}/")
    assert server.content(bucket, "a.zarr/") == local_files
    assert sorted(server.content(bucket)) == sorted(f"a.zarr/{name}" for name in local_files)
    assert store.path == open_activations(url).path == url
    assert store.describe() == url
    assert not lease_threads()


def test_it_is_sliced_verified_and_ranked_where_it_lies(models, server, bucket, url, tmp_path, local_files):
    local, opened = open_activations(tmp_path / "whole.zarr"), run(models, url)
    np.testing.assert_array_equal(opened.values(), local.values())
    np.testing.assert_array_equal(opened.values(17, 43), local.values(17, 43))
    np.testing.assert_array_equal(opened.neuron("layers.1:3"), local.neuron("layers.1:3"))
    view = opened.restrict("layers.1")
    np.testing.assert_array_equal(view.values(), local.restrict("layers.1").values())
    fives = opened.words_of("length", "5")
    np.testing.assert_array_equal(view.take(fives, [3, 0]), local.restrict("layers.1").take(fives, [3, 0]))
    assert opened.corpus.words == local.corpus.words
    assert verify_activations(url) == verify_activations(tmp_path / "whole.zarr") == 4
    np.testing.assert_array_equal(zarr.open_group(url, mode="r")["activations"][:], local.values())
    for method, parameters in (("random", {}), ("lca", {"label": "length"})):
        ranking, expected = (og.rank(method, of, **parameters) for of in (opened, local))
        assert ranking.top(48) == expected.top(48)
    with pytest.raises(MismatchError, match=r"a\.zarr and .*whole\.zarr are the same model"):
        og.rank("maxcorr", opened, others=[local])


def test_few_requests_are_made(models, server, url, small_shards):
    """Reading some words of four shards lists no objects."""
    before = len(server.requests)
    opened = run(models, url)
    written = server.requests[before:]
    assert sum(method == "PUT" and "/activations/c/" in path for method, path in written) == 4
    assert len(written) < 100
    assert sum(method == "GET" and path.count("/") == 1 for method, path in written) < 10
    before = len(server.requests)
    opened.take([0, 65], ["layers.0:0"])
    assert len(server.requests) - before <= 10
    assert all("/activations/" in path for _, path in server.requests[before:])


def cli(capsys, monkeypatch, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["onegrain", *(str(argument) for argument in arguments)])
    code = 0
    try:
        main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_line_takes_urls(models, server, url, tmp_path, capsys, monkeypatch):
    words, ranking = tmp_path / "words.txt", tmp_path / "order.parquet"
    words.write_text("\n".join(SENTENCES) + "\n")
    extraction = ("extract", models["nlm"].identity.id, words, "--out", url, "--json")
    code, out, err = cli(capsys, monkeypatch, *extraction)
    assert code == 0, err
    assert json.loads(out)["store"] == url
    code, _, err = cli(capsys, monkeypatch, *extraction)
    assert code == 0
    assert f"{url} exists already: the same command has made it" in err
    code, _, err = cli(capsys, monkeypatch, *extraction, "--aggregate", "mean")
    assert code == 1
    assert f"{url} exists already; use --force" in err
    code, out, err = cli(capsys, monkeypatch, "show", url, "--verify", "--json")
    assert code == 0, err
    assert json.loads(out)["verified chunks"] == 1
    code, out, err = cli(capsys, monkeypatch, "rank", "random", url, "--out", ranking)
    assert code == 0, err
    assert og.Ranking.load(ranking).space.size == 48
    command = [sys.executable, "-c", "from onegrain.cli import main; main()", "show", url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == "", "a connection is left open, or a library has something to say"
    rewrite(server, url, "activations/c/0/0", flipped(9))
    code, out, err = cli(capsys, monkeypatch, "show", url, "--verify")
    assert code == 1
    assert "is damaged in 1 chunks: activations/c/0/0: words 0 to" in err
    assert err.count("\n") == 1 + err.count("verify:")


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


KILLED = Path(__file__).with_name("killed_remote.py")


def script(server: S3Server, *arguments: object) -> subprocess.Popen:
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, KILLED, *(str(argument) for argument in arguments)],
        env={**os.environ, **server.environment(), "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


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


@pytest.mark.parametrize("name", ["activations/c/2/0", "words/c/0", "zarr.json", "labels/0/zarr.json"])
def test_a_flipped_byte_or_a_lost_object_is_found_and_named(models, server, url, name, small_shards):
    run(models, url)
    for index in (3, -40):
        was = rewrite(server, url, name, flipped(index))
        with pytest.raises(RecordError) as caught:
            verify_activations(url)
        assert url in str(caught.value)
        assert name in str(caught.value) or name == "zarr.json"
        rewrite(server, url, name, lambda _, was=was: was)
    was = rewrite(server, url, name, lambda _: None)
    with pytest.raises(RecordError, match=rf"lost.*{name}|{name} is lost|is not a store of activations"):
        verify_activations(url)
    rewrite_lost = f"{url.removeprefix('s3://')}/{name}".partition("/")
    server.client().put_object(Bucket=rewrite_lost[0], Key=rewrite_lost[2], Body=was)
    assert verify_activations(url) == 4


def test_damage_is_named_and_a_service_that_fails_is_not_damage(models, server, url, small_shards):
    opened = run(models, url)
    rewrite(server, url, "activations/c/1/0", flipped(5))
    assert opened.values(0, 20).shape == (20, 48)
    with pytest.raises(
        RecordError, match=r"is damaged at activations/c/1/0: words 20 to 39, neurons embeddings"
    ):
        opened.values(10, 30)
    server.refuse = lambda method, path: 403
    with pytest.raises(StorageError, match="check the credentials and their permissions"):
        opened.values(40, 50)


def test_force_replaces_and_what_no_run_could_finish_is_not_left(models, server, bucket, url, small_shards):
    run(models, url)
    before = server.content(bucket)
    assert run(models, url, force=True, dtype="float16").array.dtype == np.float16
    assert server.content(bucket).keys() == before.keys()
    server.client().put_object(Bucket=bucket, Key="b.zarr.old/zarr.json", Body=b"of another store")

    class RefusedError(InputError):
        pass

    def progress(*_):
        raise RefusedError

    with pytest.raises(RefusedError):
        run(models, f"s3://{bucket}/c.zarr", progress=progress)
    from activations.store.test_store import content as odd
    from activations.store.test_store import values, write_store

    with pytest.raises(ParameterError, match="rows for 93 words"):
        write_store(f"s3://{bucket}/b.zarr", odd(), [values()[:50]], force=False)
    assert {name.partition("/")[0] for name in server.content(bucket)} >= {"a.zarr", "b.zarr.old"}
    assert "b.zarr" not in {name.partition("/")[0] for name in server.content(bucket)}
    with pytest.raises(OutputExistsError, match="a folder that onegrain did not write"):
        run(models, f"s3://{bucket}/b.zarr.old", force=True)


def test_a_store_may_be_all_of_a_bucket_which_stays(server, bucket):
    from activations.store.test_store import content as odd
    from activations.store.test_store import values, write_store

    with pytest.raises(ParameterError):
        write_store(f"s3://{bucket}", odd(), [values()[:50]], force=False)
    assert server.content(bucket) == {}
    write_store(f"s3://{bucket}", odd(), [values()], force=False)
    np.testing.assert_array_equal(open_activations(f"s3://{bucket}").values(), values())


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


def test_a_protocol_whose_package_is_missing_names_it():
    with pytest.raises(MissingExtraError, match=r"gs://b/a.zarr needs the package gcsfs: pip install 'gcsfs'"):
        folder_at("gs://b/a.zarr")
    with pytest.raises(ParameterError, match=r"cannot use nonsense://b/a.zarr: Protocol not known"):
        folder_at("nonsense://b/a.zarr")
    with pytest.raises(ParameterError, match="does not name a store"):
        folder_at("memory://")


def test_s3_without_s3fs_names_the_extra(tmp_path):
    (tmp_path / "s3fs.py").write_text("raise ModuleNotFoundError(\"No module named 's3fs'\", name='s3fs')")
    code = "from onegrain.activations.store.places.locate import folder_at; folder_at('s3://b/a.zarr')"
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "MissingExtraError: s3://b/a.zarr needs the package s3fs: pip install 'onegrain[s3]'" in done.stderr


@pytest.mark.parametrize("kind", ["memory", "dir"])
def test_other_file_systems(models, tmp_path, local_files, kind):
    """Test a file system without folders, and one with real folders."""
    (tmp_path / "there").mkdir()
    place = (
        f"memory://{uuid.uuid4().hex}/a.zarr" if kind == "memory" else f"dir::file://{tmp_path}/there/a.zarr"
    )
    folder = folder_at(place)
    assert isinstance(folder, RemoteFolder)
    with pytest.raises(RecordError, match="does not exist"):
        open_activations(place)
    with pytest.raises(StopWorkError):
        run(models, place, progress=stop_after(2))
    store = run(models, place)
    assert store.path == place
    assert {name: folder.read(name) for name in folder.names()} == local_files
    assert verify_activations(place) == 4
    np.testing.assert_array_equal(store.neuron(5), open_activations(tmp_path / "whole.zarr").neuron(5))
    run(models, place)  # the same call finds its work done
    assert {name: folder.read(name) for name in folder.names()} == local_files
    for name in folder.names():
        folder.remove(name)
    assert not folder.exists()


def test_a_file_url_is_a_folder(models, tmp_path, local_files):
    store = run(models, f"file://{tmp_path}/a.zarr")
    assert store.path == tmp_path / "a.zarr"
    assert isinstance(folder_at(f"file://{tmp_path}/a.zarr"), LocalFolder)
    assert content(tmp_path / "a.zarr") == local_files
