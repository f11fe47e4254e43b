"""Weights come from safetensors of the folder only, whatever an index or a configuration names."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from onegrain.errors import ModelError
from onegrain.models import load_model
from support.tiny import tiny_bert, tiny_nlm

MARK = "a-pickle-ran"


class Hostile:
    """Leaves a file behind when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path(MARK).touch, ()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tiny_nlm(tmp_path / "nlm")


@pytest.fixture
def sharded(folder: Path) -> Path:
    """The model in two shards with an index, in which a shard lies in a folder of the folder."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    (folder / "part").mkdir()
    names = sorted(tensors)
    shards = {"one.safetensors": names[:4], "part/two.safetensors": names[4:]}
    for file, inside in shards.items():
        save_file({name: tensors[name] for name in inside}, folder / file, metadata={"format": "pt"})
    write_index(folder, {name: file for file, inside in shards.items() for name in inside})
    return folder


def write_index(folder: Path, entries: Any) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": entries}))


def test_shards_are_read_as_one_file_is(folder: Path) -> None:
    unsharded = load_model(folder, device="cpu").identity.weight_hash
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors, folder / "all.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").unlink()
    write_index(folder, dict.fromkeys(tensors, "all.safetensors"))
    assert load_model(folder, device="cpu").identity.weight_hash == unsharded


def test_a_shard_may_lie_deeper_in_the_folder(sharded: Path) -> None:
    assert load_model(sharded, device="cpu").task == "language model"


@pytest.mark.parametrize("pickled", ["w.bin", "w.pt", "w"])
def test_an_index_that_names_a_pickle_is_refused(folder: Path, pickled: str) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / pickled)
    write_index(folder, dict.fromkeys(tensors, pickled))
    for allowed in (False, True):  # an index of safetensors names safetensors
        with pytest.raises(ModelError, match=f"names '{pickled}', which is not a .safetensors file"):
            load_model(folder, device="cpu", allow_pickle=allowed)


@pytest.mark.parametrize("entry", ["../out.safetensors", "/etc/out.safetensors", "part/../../out.safetensors"])
def test_an_entry_outside_the_folder_is_refused(sharded: Path, entry: str) -> None:
    shutil.copy(sharded / "one.safetensors", sharded.parent / "out.safetensors")
    write_index(sharded, {"a": "one.safetensors", "b": entry})
    with pytest.raises(ModelError, match="outside the folder"):
        load_model(sharded, device="cpu")


def test_a_link_out_of_the_folder_is_refused(sharded: Path) -> None:
    shutil.move(sharded / "one.safetensors", sharded.parent / "out.safetensors")
    (sharded / "one.safetensors").symlink_to("../out.safetensors")
    with pytest.raises(ModelError, match=r"is a link to .*, outside the folder"):
        load_model(sharded, device="cpu")


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ({"a": "gone.safetensors"}, "names 'gone.safetensors', which is not in the folder"),
        ({"a": 3}, "names 3 in place of a file"),
        ({"a": ["one.safetensors"]}, "in place of a file"),
        ({"a": "x\0.safetensors"}, "in place of a file"),
        ({}, "has no weight_map"),
        ([], "has no weight_map"),
    ],
)
def test_a_damaged_index_is_refused(sharded: Path, entries: Any, text: str) -> None:
    write_index(sharded, entries)
    with pytest.raises(ModelError, match=text):
        load_model(sharded, device="cpu")


def test_a_pickle_that_is_called_safetensors_is_refused(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "zip")
    for content in ((folder / "zip").read_bytes(), pickle.dumps(Hostile())):
        (folder / "model.safetensors").write_bytes(content)
        for allowed in (False, True):
            with pytest.raises(ModelError, match="is a pickle, not a safetensors file"):
                load_model(folder, device="cpu", allow_pickle=allowed)
    assert not Path(MARK).exists()


def test_a_header_whose_length_looks_like_a_pickle_is_none(folder: Path) -> None:
    """1,152 bytes of header begin like a pickle of protocol 4."""
    content = bytearray((folder / "model.safetensors").read_bytes())
    length = int.from_bytes(content[:8], "little")
    wanted = next(n for n in range(length, length + 70_000) if n % 2**16 == 0x0480)
    content[:8] = wanted.to_bytes(8, "little")
    content[8 + length : 8 + length] = b" " * (wanted - length)
    (folder / "model.safetensors").write_bytes(content)
    assert content.startswith(b"\x80\x04")
    assert load_model(folder, device="cpu").task == "language model"


def test_a_configuration_that_names_the_weights_is_held_to_the_same(folder: Path) -> None:
    file = folder / "config.json"
    config = json.loads(file.read_text())
    shutil.copy(folder / "model.safetensors", folder / "other.safetensors")
    shutil.copy(folder / "model.safetensors", folder.parent / "outside.safetensors")
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Hostile()))
    for name, text in (
        ("adapter_model.bin", "not a .safetensors file"),
        ("../outside.safetensors", "outside the folder"),
        (7, "not the name of a file"),
    ):
        file.write_text(json.dumps(config | {"transformers_weights": name}))
        with pytest.raises(ModelError, match=text):
            load_model(folder, device="cpu")
    file.write_text(json.dumps(config | {"transformers_weights": "other.safetensors"}))
    assert load_model(folder, device="cpu").task == "language model"


def test_a_hostile_or_damaged_pickle_is_one_error_where_pickles_are_allowed(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    weights = folder / "pytorch_model.bin"
    for content in (pickle.dumps(Hostile()), b"\x80\x04", b"", b"PK\x03\x04 and no more"):
        weights.write_bytes(content)
        with pytest.raises(ModelError, match="only with allow_pickle"):
            load_model(folder, device="cpu")
        with pytest.raises(ModelError, match="cannot load the model of") as caught:
            load_model(folder, device="cpu", allow_pickle=True)
        assert "\n" not in str(caught.value)
    assert not Path(MARK).exists()


def test_an_index_of_pickles_is_held_to_its_folder(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "w.bin")
    index = folder / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": dict.fromkeys(tensors, "w.bin")}))
    assert load_model(folder, device="cpu", allow_pickle=True).task == "language model"
    shutil.move(folder / "w.bin", folder.parent / "w.bin")
    index.write_text(json.dumps({"metadata": {}, "weight_map": dict.fromkeys(tensors, "../w.bin")}))
    with pytest.raises(ModelError, match="outside the folder"):
        load_model(folder, device="cpu", allow_pickle=True)


def test_adapters_and_other_formats_are_named(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "elsewhere"}')
    with pytest.raises(ModelError, match="merge it into its model"):
        load_model(folder, device="cpu")
    (folder / "adapter_config.json").unlink()
    (folder / "model.safetensors").rename(folder / "model.gguf")
    with pytest.raises(ModelError, match=r"it has no model.safetensors; it has model.gguf"):
        load_model(folder, device="cpu")


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_git_lfs_pointer_is_named_as_such(folder: Path, file: str) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 17082730\n"
    (folder / file).write_text(pointer)
    with pytest.raises(ModelError, match=rf"{file} is a Git LFS pointer.*git lfs pull"):
        load_model(folder, device="cpu")


def test_a_model_of_the_hub_is_read_from_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache's own layout: the files of a snapshot are links to blobs beside it."""
    from huggingface_hub import constants

    model = tiny_bert(tmp_path / "bert")
    tensors = load_file(model / "model.safetensors")
    (model / "model.safetensors").rename(model / "model-00001-of-00001.safetensors")
    write_index(model, dict.fromkeys(tensors, "model-00001-of-00001.safetensors"))
    store = tmp_path / "hub" / "models--org--tiny"
    snapshot = store / "snapshots" / ("0" * 40)
    for part in (store / "refs", store / "blobs", snapshot):
        part.mkdir(parents=True)
    (store / "refs" / "main").write_text("0" * 40)
    for number, file in enumerate(sorted(model.iterdir())):
        shutil.copy(file, store / "blobs" / str(number))
        (snapshot / file.name).symlink_to(f"../../blobs/{number}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    loaded = load_model("org/tiny", device="cpu")
    assert loaded.identity.id == loaded.load_spec.path == "org/tiny"
    assert loaded.identity.weight_hash == load_model(model, device="cpu").identity.weight_hash
    with pytest.raises(ModelError, match="no model of that name in the cache"):
        load_model("org/other", device="cpu")
