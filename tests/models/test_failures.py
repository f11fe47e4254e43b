"""Test that every fault of a model folder ends in a one-line ModelError that names the folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, constants

from onegrain.errors import ModelError, ParameterError
from onegrain.models import load_model
from onegrain.models.failures import as_model_error, few_of
from support.tiny import tiny_gpt2

CONFIGS: list[Any] = [
    None, [], 3, "text", {}, {"model_type": "gpt2"}, {"model_type": 3}, {"dtype": "float99"}, {"id2label": [1]},
    {"n_layer": "x"}, {"n_layer": -1}, {"n_embd": -4}, {"n_embd": 0}, {"n_head": 0}, {"n_positions": 2},
    {"vocab_size": 10**9}, {"vocab_size": -1}, {"vocab_size": None}, {"n_layer": 10**12},
    {"tie_word_embeddings": "x"},
    {"architectures": "GPT2LMHeadModel"}, {"architectures": [3]}, {"architectures": {}},
    {"activation_function": "no-such"}, {"quantization_config": {}, "n_embd": 8},
    {"model_type": "bert"}, {"model_type": "t5"}, {"auto_map": 3, "model_type": "unheard"},
]  # fmt: skip
"""In place of the configuration, or changes of it."""

TOKENIZERS: list[Any] = [
    None, [], {}, {"model": None}, {"model": {"type": "SomethingNewer"}},
    {"normalizer": {"type": "Replace", "pattern": {"Regex": "(("}, "content": ""}},
    {"added_tokens": [{"id": -1}]}, {"version": "99"}, {"pre_tokenizer": 3},
]  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gpt2(tmp_path_factory.mktemp("failures") / "gpt2")


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    return shutil.copytree(model, tmp_path / "gpt2")


def refused(folder: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load_model(folder, device="cpu")
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value) or "config.json" in str(caught.value)


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


@pytest.mark.parametrize("content", CONFIGS, ids=str)
def test_a_configuration_that_cannot_be(folder: Path, content: Any) -> None:
    file = folder / "config.json"
    if isinstance(content, dict) and content not in ({}, {"model_type": "gpt2"}):
        content = json.loads(file.read_text()) | content
    file.write_text(json.dumps(content))
    refused(folder)


@pytest.mark.parametrize("content", TOKENIZERS, ids=str)
def test_a_tokenizer_that_cannot_be(folder: Path, content: Any) -> None:
    file = folder / "tokenizer.json"
    if content:
        content = json.loads(file.read_text()) | content
    file.write_text(json.dumps(content))
    refused(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize(
    "content", [nested(100_000), "", "{", "\x00\x01", "[]", "null", '"text"'], ids=range(7)
)
def test_a_file_that_is_no_record(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)
    refused(folder)


def test_generation_settings_that_cannot_be_read_are_refused(folder: Path) -> None:
    for content in ("[]", nested(100_000)):
        (folder / "generation_config.json").write_text(content)
        refused(folder)


@pytest.mark.parametrize(
    "name",
    ["a/b/c", "./a", "../a", "/no/such/folder", "~/no/such", "a.zarr", "org/a.parquet", "x" * 5000, "x" * 200,
     "a\0b", "", "a b", "Ä", "a..b", "a//b", "-x", "model.json"],
)  # fmt: skip
def test_what_can_only_be_a_path_is_not_asked_for_on_the_network(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: Any, **__: Any) -> None:
        raise AssertionError("the hub was asked")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(HfApi, "model_info", asked)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(ModelError) as caught:
        load_model(name)
    assert "\n" not in str(caught.value)


def test_another_name_is_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def unreachable(self: HfApi, name: str, **options: Any) -> None:
        calls.append(name)
        raise ConnectionError("Name or service not known")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(HfApi, "model_info", unreachable)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(ModelError, match=r"there is no folder no-such-folder, .*the hub cannot be reached"):
        load_model("no-such-folder")
    assert calls == ["no-such-folder"]


def test_a_device_that_cannot_be_used(folder: Path) -> None:
    for device in ("gpu", "cuda:99", "", "cpu:x"):
        with pytest.raises(ParameterError, match="cannot be used"):
            load_model(folder, device=device)


def test_what_is_raised_becomes_one_line() -> None:
    class Panic(BaseException):
        """As Rust libraries raise it."""

    for error, text in (
        (RuntimeError("\n  ----\nfirst words that say something\nsecond"), "w: first words that say something"),
        (KeyError("name"), "w: KeyError: 'name'"),
        (Panic("called unwrap on a None value"), "w: called unwrap on a None value"),
        (RecursionError("maximum recursion depth exceeded"), "w: it is nested too deep"),
        (MemoryError(), "w: there is not enough memory"),
    ):
        with pytest.raises(ModelError) as caught, as_model_error("w"):
            raise error
        assert str(caught.value) == text
    with pytest.raises(KeyboardInterrupt), as_model_error("w"):
        raise KeyboardInterrupt
    assert few_of("abcd") == "a, b, c, d"
    assert few_of("abcde") == "a, b, c, ... (5 in all)"
