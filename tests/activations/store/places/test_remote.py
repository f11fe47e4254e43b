"""Test stores at a URL, on a real S3-compatible server on loopback and in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid

import numpy as np
import pytest
import zarr

import onegrain as og
from activations.store.test_resume import StopWorkError, content, stop_after
from onegrain.activations import open_activations, verify_activations
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
from support.remote import flipped, lease_threads, rewrite, run
from support.tiny import SENTENCES

pytest.importorskip("s3fs", reason="stores on S3 need s3fs")
pytest.importorskip("moto", reason="the tests of stores on S3 need moto's server")


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
