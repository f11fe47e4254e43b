"""Compare the export for Neuronpedia with its tables and its layout, which this file repeats."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import onegrain.formats.neuronpedia.export as exporting
from onegrain.analyses import neuron_cards
from onegrain.errors import MismatchError, OutputExistsError, ParameterError
from onegrain.formats import NeuronpediaRelease, export_neuronpedia
from onegrain.records.activations import Activations
from onegrain.records.cards import NeuronCards
from onegrain.records.space import NeuronSpace
from support.planted import plant

# The tables into which Neuronpedia imports the files (CREATE TABLE of its database), column by column: the
# type, and "!" where a value must be given, "?" where it may be NULL, nothing where a default is all there is.
TABLES = {
    "release": {
        "name": "text!", "visibility": "visibility", "isNewUi": "bool", "featured": "bool",
        "description": "text!", "descriptionShort": "text?", "urls": "text[]", "creatorEmail": "text?",
        "creatorName": "text!", "creatorNameShort": "text?", "creatorId": "text!",
        "defaultSourceSetName": "text?", "defaultSourceId": "text?", "defaultUmapSourceIds": "text[]",
        "createdAt": "time",
    },
    "model": {
        "id": "text!", "displayNameShort": "text", "displayName": "text", "creatorId": "text!",
        "tlensId": "text?", "dimension": "int?", "visibility": "visibility", "defaultSourceSetName": "text?",
        "defaultSourceId": "text?", "inferenceEnabled": "bool", "instruct": "bool", "layers": "int!",
        "neuronsPerLayer": "int!", "createdAt": "time", "owner": "text!", "updatedAt": "time",
        "website": "text?",
    },
    "sourceset": {
        "modelId": "text!", "name": "text!", "hasDashboards": "bool", "visibility": "visibility",
        "description": "text!", "type": "text", "creatorName": "text!", "urls": "text[]",
        "creatorEmail": "text?", "creatorId": "text!", "releaseName": "text?", "defaultOfModelId": "text?",
        "defaultRange": "int", "defaultShowBreaks": "bool", "showDfa": "bool", "showCorrelated": "bool",
        "showHeadAttribution": "bool", "showUmap": "bool", "createdAt": "time",
    },
    "source": {
        "id": "text!", "modelId": "text!", "hasDashboards": "bool", "inferenceEnabled": "bool",
        "saelensConfig": "json?", "saelensRelease": "text?", "saelensSaeId": "text?", "hfRepoId": "text?",
        "hfFolderId": "text?", "visibility": "visibility", "defaultOfModelId": "text?", "setName": "text!",
        "creatorId": "text!", "hasUmap": "bool", "hasUmapLogSparsity": "bool", "hasUmapClusters": "bool",
        "num_prompts": "int?", "num_tokens_in_prompt": "int?", "dataset": "text?", "notes": "text?",
        "createdAt": "time",
    },
    "features": {
        "modelId": "text!", "layer": "text!", "index": "text!", "sourceSetName": "text?",
        "creatorId": "text?", "createdAt": "time", "maxActApprox": "real?", "hasVector": "bool",
        "vector": "real[]", "vectorLabel": "text?", "vectorDefaultSteerStrength": "real?",
        "hookName": "text?", "topkCosSimIndices": "int[]", "topkCosSimValues": "real[]",
        "neuron_alignment_indices": "int[]", "neuron_alignment_values": "real[]",
        "neuron_alignment_l1": "real[]", "correlated_neurons_indices": "int[]",
        "correlated_neurons_pearson": "real[]", "correlated_neurons_l1": "real[]",
        "correlated_features_indices": "int[]", "correlated_features_pearson": "real[]",
        "correlated_features_l1": "real[]", "neg_str": "text[]", "neg_values": "real[]", "pos_str": "text[]",
        "pos_values": "real[]", "frac_nonzero": "real", "freq_hist_data_bar_heights": "real[]",
        "freq_hist_data_bar_values": "real[]", "logits_hist_data_bar_heights": "real[]",
        "logits_hist_data_bar_values": "real[]", "decoder_weights_dist": "real[]",
    },
    "activations": {
        "id": "text!", "tokens": "text[]!", "dataIndex": "text?", "index": "text!", "layer": "text!",
        "modelId": "text!", "dataSource": "text?", "maxValue": "real!", "maxValueTokenIndex": "int!",
        "minValue": "real!", "values": "real[]!", "dfaValues": "real[]", "dfaTargetIndex": "int?",
        "dfaMaxValue": "real?", "creatorId": "text!", "createdAt": "time", "lossValues": "real[]",
        "logitContributions": "text?", "binMin": "real?", "binMax": "real?", "binContains": "real?",
        "qualifyingTokenIndex": "int?",
    },
}  # fmt: skip
TYPES = {
    "text": lambda value: isinstance(value, str),
    "visibility": lambda value: value in ("PUBLIC", "UNLISTED", "PRIVATE"),
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31,
    "real": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value),
}


def require_row(table: str, row: dict[str, Any]) -> None:
    columns = TABLES[table]
    assert set(row) <= set(columns), f"{table} has no columns {set(row) - set(columns)}"
    needed = {name for name, kind in columns.items() if kind.endswith("!")}
    assert needed <= set(row), f"{table} needs {needed - set(row)}"
    for name, value in row.items():
        kind = columns[name].rstrip("!")
        if kind.endswith("?") and value is None:
            continue
        kind = kind.rstrip("?")
        values = value if kind.endswith("[]") else [value]
        assert isinstance(values, list)
        assert all(TYPES[kind.removesuffix("[]")](item) for item in values), f"{table}.{name}: {value!r}"


def read(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    assert text.endswith("\n")
    return [json.loads(line, parse_constant=pytest.fail) for line in text[:-1].split("\n")]


RELEASE = NeuronpediaRelease(
    model_id="gpt2-small",
    source_set="onegrain-mlp",
    release="onegrain",
    title="Neurons that know parts of speech",
    creator="A. Reader",
    creator_id="clxyz",
    description="After the non-linearity",
    url="https://example.org/paper",
)


@pytest.fixture(scope="module")
def acts() -> Activations:
    activations = plant(120, model="weights-of-gpt2").activations
    return replace(activations, space=NeuronSpace(("layers.3.mlp", "layers.11.mlp"), (12, 20)))


@pytest.fixture(scope="module")
def cards(acts: Activations) -> NeuronCards:
    return neuron_cards(acts, [*range(31, 10, -1), 2], n=5)


def test_every_file_has_the_documented_place_and_every_row_fits_its_table(
    acts: Activations, cards: NeuronCards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "FEATURES_PER_FILE", 8)
    folders = export_neuronpedia(cards, acts, tmp_path / "exports", RELEASE)
    exports = tmp_path / "exports" / "gpt2-small"
    assert folders == [exports / "3-onegrain-mlp", exports / "11-onegrain-mlp"]
    files = {str(path.relative_to(exports)) for path in exports.rglob("*") if path.is_file()}
    expected = {
        f"{source}/{name}"
        for source, batches in (("3-onegrain-mlp", 1), ("11-onegrain-mlp", 3))
        for name in (
            *("release.jsonl", "model.jsonl", "sourceset.jsonl", "source.jsonl"),
            *(
                f"{kind}/batch-{number}.jsonl.gz"
                for kind in ("features", "activations")
                for number in range(batches)
            ),
        )
    }
    assert files == expected
    assert {path.name for path in (tmp_path / "exports").iterdir()} == {"gpt2-small"}
    for file in files:
        rows = read(exports / file)
        table = Path(file).parent.name if file.endswith(".gz") else Path(file).stem
        for row in rows:
            require_row(table, row)
        assert len({tuple(row) for row in rows}) == 1  # the importer takes a file's columns from its first row
        assert len(rows) == 1 or file.endswith(".gz")


def test_the_rows_belong_together(acts: Activations, cards: NeuronCards, tmp_path: Path) -> None:
    _, folder = export_neuronpedia(cards, acts, tmp_path / "exports", RELEASE)
    (release,), (model,), (source_set,), (source,) = (
        read(folder / f"{name}.jsonl") for name in ("release", "model", "sourceset", "source")
    )
    assert (release["name"], release["urls"]) == (source_set["releaseName"], ["https://example.org/paper"])
    assert model["id"] == source_set["modelId"] == source["modelId"] == "gpt2-small"
    assert source["setName"] == source_set["name"]
    assert source["id"] == "11-onegrain-mlp"
    assert (source["num_prompts"], source["dataset"]) == (120, acts.corpus.source)
    assert "weights-of-gpt2" in source["notes"]
    assert acts.corpus.content_hash in source["notes"]
    features, activations = (read(folder / kind / "batch-0.jsonl.gz") for kind in ("features", "activations"))
    assert [int(row["index"]) for row in features] == list(range(20))
    for row in [*features, *activations]:
        assert (row["modelId"], row["layer"]) == ("gpt2-small", source["id"])
    assert {row["index"] for row in activations} <= {row["index"] for row in features}
    assert len({row["id"] for row in activations}) == len(activations)


def test_the_values_are_those_of_the_store(acts: Activations, cards: NeuronCards, tmp_path: Path) -> None:
    _, folder = export_neuronpedia(cards, acts, tmp_path / "exports", RELEASE)
    activations = read(folder / "activations" / "batch-0.jsonl.gz")
    values = acts.restrict("layers.11.mlp").values()
    for feature in read(folder / "features" / "batch-0.jsonl.gz"):
        unit = int(feature["index"])
        rows, column = [row for row in activations if int(row["index"]) == unit], values[:, unit]
        assert feature["frac_nonzero"] == pytest.approx((column != 0).mean())
        if column.min() == column.max():
            assert (rows, feature["maxActApprox"]) == ([], 0)
            continue
        highest = np.argsort(-column, kind="stable")[:5]
        assert [row["values"][row["qualifyingTokenIndex"]] for row in rows] == column[highest].tolist()
        assert feature["maxActApprox"] == max(0, column.max())
        for row, word in zip(rows, highest, strict=True):
            sentence = int(acts.corpus.sentence_of_word[word])
            start, stop = acts.corpus.offsets[sentence : sentence + 2]
            assert row["values"] == column[start:stop].tolist()
            assert "".join(row["tokens"]) == " ".join(acts.corpus.sentence(sentence))
            assert len(row["tokens"]) == len(row["values"])
            assert row["maxValue"] == max(row["values"]) == row["values"][row["maxValueTokenIndex"]]
            assert row["minValue"] == min(row["values"])


def test_words_without_activation_are_left_out(acts: Activations, tmp_path: Path) -> None:
    missing = np.zeros(acts.n_words, dtype=bool)
    missing[::5] = True
    values = acts.values().copy()
    values[missing] = np.nan
    part = replace(acts, array=values, missing=missing)
    (folder,) = export_neuronpedia(neuron_cards(part, [3], n=40), part, tmp_path / "e", RELEASE)
    rows = read(folder / "activations" / "batch-0.jsonl.gz")
    assert len(rows) == 40
    for row in rows:
        assert len(row["tokens"]) == len(row["values"]) == 4
        assert [token.startswith(" ") for token in row["tokens"]] == [False, True, True, True]
        assert row["values"][row["qualifyingTokenIndex"]] in row["values"]
    assert [row["values"][row["qualifyingTokenIndex"]] for row in rows] == sorted(values[~missing, 3])[::-1][
        :40
    ]


def test_the_same_cards_give_the_same_bytes(acts: Activations, cards: NeuronCards, tmp_path: Path) -> None:
    for name in "ab":
        cards.save(tmp_path / f"{name}.json")
        export_neuronpedia(NeuronCards.load(tmp_path / f"{name}.json"), acts, tmp_path / name, RELEASE)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) == 12
    for file in files:
        data = (tmp_path / "a" / file).read_bytes()
        assert data == (tmp_path / "b" / file).read_bytes()
        assert file.suffix != ".gz" or data[4:8] == bytes(4)  # no time in it
    with pytest.raises(OutputExistsError, match="--force"):
        export_neuronpedia(cards, acts, tmp_path / "a", RELEASE)
    export_neuronpedia(cards, acts, tmp_path / "a", RELEASE, force=True)


def test_other_activations_are_refused(acts: Activations, cards: NeuronCards, tmp_path: Path) -> None:
    changed = acts.values().copy()
    changed[0] += 1
    changed[:, 31] *= 2
    for other, message in (
        (replace(acts, array=changed), r"the card of layers\.11\.mlp:19 has .* at word"),
        (
            replace(acts, corpus=plant(120, seed=1).activations.corpus),
            "the cards were computed on planted-0",
        ),
        (
            replace(acts, space=NeuronSpace(("layers.3.mlp", "layers.12.mlp"), (12, 20))),
            "which has layers.3.mlp",
        ),
        (
            replace(acts, provenance=plant(9, model="another").activations.provenance),
            "cards: of weights-of-gpt2",
        ),
    ):
        with pytest.raises(MismatchError, match=message):
            export_neuronpedia(cards, other, tmp_path / "e", RELEASE)
    assert list(tmp_path.iterdir()) == []


def test_sites_that_have_no_place_at_neuronpedia_are_refused(acts: Activations, tmp_path: Path) -> None:
    for sites, message in (
        (("embeddings", "layers.0"), "begins with its layer, but 'embeddings' contains no layer"),
        (("layers.1", "layers.1.mlp"), "'layers.1' and 'layers.1.mlp' belong to the same layer"),
    ):
        named = replace(acts, space=NeuronSpace(sites, (12, 20)))
        with pytest.raises(ParameterError, match=message):
            export_neuronpedia(neuron_cards(named, [0, 12]), named, tmp_path / "e", RELEASE)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("model_id", "GPT2", "model_id must be lower case"),
        ("model_id", "openai/gpt2", "model_id must be up to 128 letters"),
        ("source_set", "3-mine", "source_set must not begin with a layer"),
        ("source_set", "", "source_set must be"),
        ("release", "my release", "release must be"),
        ("title", " ", "title must not be empty"),
        ("creator_id", "", "creator_id must not be empty"),
        ("visibility", "public", "they are: PUBLIC, UNLISTED, PRIVATE"),
    ],
)
def test_names_that_neuronpedia_does_not_take_are_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        replace(RELEASE, **{name: value})
