"""Tokenizers that put a language's token around a sentence are asked for the language, never left to guess."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from onegrain.activations import open_activations
from onegrain.cli import main
from onegrain.errors import ModelError, ParameterError
from onegrain.models import load_model
from onegrain.models.loading import load_from_spec
from support.tiny import tiny_nmt
from support.zoo import Zoo


@pytest.fixture
def folder(zoo: Zoo, tmp_path: Path) -> Path:
    """An mBART whose folder names no language."""
    copied = shutil.copytree(zoo.path("mbart"), tmp_path / "mbart")
    file = copied / "tokenizer_config.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({k: v for k, v in content.items() if k not in ("src_lang", "tgt_lang")}))
    return copied


def test_languages_are_asked_for(folder: Path) -> None:
    loaded = load_model(folder, device="cpu")
    with pytest.raises(ModelError, match=r"the model reads; give source_language \(--source-language\)"):
        loaded.encode([["rain"]])
    with pytest.raises(ModelError, match=r"which language the model writes; give target_language"):
        loaded.encode_labels([["rain"]])


def test_languages_that_are_given_are_used_and_kept(folder: Path, zoo: Zoo) -> None:
    loaded = load_model(folder, device="cpu", source_language="de_DE", target_language="en_XX")
    code = loaded.tokenizer.convert_tokens_to_ids
    again = load_from_spec(loaded.load_spec)
    for model in (loaded, again):
        assert code("de_DE") in model.encode([["rain"]])[0].ids
        assert code("en_XX") in model.encode_labels([["rain"]])[0].ids


def test_a_language_that_the_tokenizer_does_not_know(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"knows no source_language 'xx_YY'.*it knows .*en_XX"):
        load_model(folder, device="cpu", source_language="xx_YY")
    with pytest.raises(ParameterError, match="has no languages"):
        load_model(tiny_nmt(tmp_path / "nmt"), device="cpu", target_language="de")


def test_the_command_line_asks_for_languages_and_records_them(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = tmp_path / "c.word"
    words.write_text("the old dog\nrain\n")

    def extract(out: Path, *options: str) -> int:
        verb = ["onegrain", "extract", str(folder), str(words), "--format", "plain", "--out", str(out)]
        monkeypatch.setattr("sys.argv", [*verb, "--sites", "encoder.layers.1", "--device", "cpu", *options])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    assert extract(tmp_path / "none.zarr") == 1
    assert "--source-language" in capsys.readouterr().err
    stores = []
    for language in ("de_DE", "en_XX"):
        assert extract(tmp_path / f"{language}.zarr", "--source-language", language) == 0
        stores.append(open_activations(tmp_path / f"{language}.zarr"))
    assert stores[0].provenance.parameters["languages"] == {"source": "de_DE", "target": None}
    assert (stores[0].values() != stores[1].values()).any()
