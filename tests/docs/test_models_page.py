"""docs/models.md: its blocks run, and its tables are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from onegrain.errors import ModelError
from onegrain.models.architectures import ARCHITECTURES
from support import ROOT
from support.tiny import SENTENCES, tiny_opt
from support.zoo import Zoo

PAGE = (ROOT / "docs" / "models.md").read_text()

NAMES = {
    "bart": "BART", "bert": "BERT", "camembert": "CamemBERT", "distilbert": "DistilBERT", "electra": "ELECTRA",
    "gemma": "Gemma 1", "gemma2": "Gemma 1 to 3", "gemma3_text": "to 3 (text)", "gpt2": "GPT-2",
    "gpt_neox": "GPT-NeoX and Pythia", "llama": "Llama", "m2m_100": "M2M-100 (and NLLB)", "marian": "Marian",
    "mbart": "mBART", "mistral": "Mistral", "mt5": "mT5", "qwen2": "Qwen 2", "qwen3": "Qwen 2 and 3",
    "roberta": "RoBERTa", "t5": "T5", "xlm-roberta": "XLM-R",
}  # fmt: skip


def table(heading: str) -> str:
    return PAGE.split(heading, 1)[1].split("\n\n", 1)[0]


def test_the_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_opt(tmp_path / "opt")
    (tmp_path / "words.txt").write_text("\n".join(SENTENCES) + "\n")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(block, "docs/models.md", "exec"), names)
    assert names["acts"].space.widths == (16, 16)
    with pytest.raises(ModelError, match="OPTForCausalLM has no named sites, and no module"):
        names["model"].space("model.decoder.layers.*")


def test_the_table_names_every_architecture() -> None:
    families = table("| family |")
    assert sorted(NAMES) == sorted(ARCHITECTURES)
    for model_type, name in NAMES.items():
        assert re.search(rf"(?<!\w){re.escape(name)}(?!\w)", families), model_type


def test_the_table_names_every_site(zoo: Zoo, models) -> None:
    listed = set()
    for row in table("| site |").splitlines()[2:]:
        first, *others = re.findall(r"`([^`]+)`", row.split("|")[1])
        stem = first.rpartition(".")[0]
        listed |= {first, *(stem + other if other.startswith(".") else other for other in others)}
    for loaded in (zoo["gpt2"], zoo["t5"], models["nlm"], models["nmt"]):
        for site in loaded.points:
            general = re.sub(r"heads\.\d+", "heads.H", re.sub(r"layers\.\d+", "layers.N", site))
            assert {general, general.split(".", 1)[-1]} & listed, site
