"""SVCCA: directions against a naive SVD and CCA, planted, turned, and erased in a running model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import torch
from safetensors.numpy import load_file, save_file

from onegrain import Perplexity, ablate, erasing, extract
from onegrain.errors import MismatchError, ModelError, OutputExistsError, ParameterError
from onegrain.models.dictionaries.dictionary import load_dictionary
from onegrain.rankings import rank
from onegrain.records.activations import Activations
from onegrain.records.ranking import Ranking
from support.stores import centred, changed, store
from support.tiny import plain_corpus

SITE = "layers.1"


def naive(x: np.ndarray, y: np.ndarray, variance: float) -> tuple[np.ndarray, np.ndarray]:
    """Canonical variates of x (words, directions), of variance 1, and their correlations, on raw data."""
    kept = []
    for values in (x, y):
        u, s, _ = np.linalg.svd(values, full_matrices=False)
        count = int(np.searchsorted(np.cumsum(s**2) / (s**2).sum(), variance)) + 1
        kept.append(scipy.linalg.qr(u[:, :count] * s[:count], mode="economic")[0])
    u, s, _ = np.linalg.svd(kept[0].T @ kept[1], full_matrices=False)
    return kept[0] @ u * len(x) ** 0.5, s


@pytest.mark.parametrize("variance", [0.8, 0.99])
def test_equals_a_naive_implementation(tmp_path, variance: float) -> None:
    subject, other = store(0, offset=20.0), store(1)
    ranking = rank("svcca", subject, others=[other], site=SITE, other_site="layers.0", variance=variance,
                 directions=str(tmp_path / "directions"))  # fmt: skip
    x, y = centred(subject, SITE), centred(other, "layers.0")
    variates, correlations = naive(x, y, variance)
    assert ranking.scores == pytest.approx(correlations, abs=1e-10)
    assert ranking.space.describe() == f"{SITE}.latents ({len(correlations)})"
    assert ranking.order.tolist() == list(range(len(correlations)))
    dictionary = load_dictionary(tmp_path / "directions")
    assert dictionary.formula.describe() == "linear, identity, subtracts bias"
    latents = dictionary.encode(torch.from_numpy(subject.restrict(SITE).values())).numpy()
    signs = np.sign((latents * variates).sum(axis=0))
    assert latents == pytest.approx(variates * signs, abs=1e-4)
    decoder = dictionary.weights["W_dec"].numpy()
    assert decoder == pytest.approx(np.linalg.lstsq(latents.astype(float), x, rcond=None)[0], abs=1e-4)
    assert (decoder[np.arange(len(decoder)), np.abs(decoder).argmax(axis=1)] > 0).all()
    shares = [
        (z[:, None] * d[None]).var(axis=0).sum() / x.var(axis=0).sum()
        for z, d in zip(latents.T, decoder, strict=True)
    ]
    assert ranking.details["explained"] == pytest.approx(shares, abs=1e-5)


def test_a_planted_shared_direction_comes_first(tmp_path) -> None:
    subject, other = store(0, common=0), store(1, common=0)
    signal = np.random.default_rng(5).normal(size=subject.n_words)
    values, theirs = subject.values().copy(), other.values().copy()
    values[:, 3:] += 2 * np.outer(signal, [1, 1, 0, 1])
    theirs[:, 3:] += 2 * np.outer(signal, [0, -1, 1, 0])
    options = {"site": SITE, "directions": str(tmp_path / "d")}
    ranking = rank("svcca", changed(subject, values), others=[changed(other, theirs)], **options)
    assert ranking.scores[0] > 0.9 > 0.4 > ranking.scores[1]
    latents = load_dictionary(tmp_path / "d").encode(torch.from_numpy(values[:, 3:])).numpy()
    assert abs(np.corrcoef(latents[:, 0], signal)[0, 1]) > 0.9
    assert ranking.details["explained"][0] > 0.5


def test_a_turned_copy_has_all_directions_and_turning_changes_no_correlation() -> None:
    subject, other = store(0), store(1)
    rng = np.random.default_rng(0)
    turn = scipy.linalg.block_diag(*(np.linalg.qr(rng.normal(size=(n, n)))[0] for n in (3, 4)))
    copy = changed(other, 5.0 + subject.values() @ turn)
    assert rank("svcca", subject, others=[copy], site=SITE).scores == pytest.approx([1.0] * 4, abs=1e-6)
    expected = rank("svcca", subject, others=[other], site=SITE).scores
    turned = rank("svcca", subject, others=[changed(other, other.values() @ turn)], site=SITE)
    assert turned.scores == pytest.approx(expected, abs=1e-6)


def test_permuting_and_splitting_words_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, other = store(0, offset=300.0), store(1)
    words = np.random.default_rng(0).permutation(subject.n_words)
    expected = rank("svcca", subject, others=[other], site=SITE).scores
    shuffled = [changed(acts, acts.values()[words]) for acts in (subject, other)]
    assert rank("svcca", shuffled[0], others=shuffled[1:], site=SITE).scores == pytest.approx(
        expected, abs=1e-10
    )
    monkeypatch.setattr("onegrain.rankings.data.blocks.BLOCK_ROWS", 7)
    monkeypatch.setattr("onegrain.rankings.crossmodel.sums.passes.SHARD_ROWS", 14)
    assert rank("svcca", subject, others=[other], site=SITE).scores == pytest.approx(expected, abs=1e-10)


def test_the_folder_does_not_change_the_record(tmp_path) -> None:
    subject, other = store(0), store(1)
    for name in ("a", "b"):
        ranking = rank("svcca", subject, others=[other], site=SITE, directions=str(tmp_path / name))
        ranking.save(tmp_path / f"{name}.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    for file in ("cfg.json", "sae_weights.safetensors"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    told = json.loads((tmp_path / "a" / "cfg.json").read_text())["metadata"]
    assert told["site"] == SITE
    assert told["provenance"]["model"]["id"] == "model-0"
    assert ranking.provenance.sites == (SITE,)


def test_directions_are_read_and_erased_in_a_running_model(models, tmp_path) -> None:
    """Latents are (x - mean) W; erasing the first takes it out of the site, and leaves the others."""
    corpus = plain_corpus()
    stores = [extract(models[name], corpus, tmp_path / f"{name}.zarr", sites=SITE) for name in ("gpt2", "nlm")]
    folder = tmp_path / "directions"
    ranking = rank("svcca", stores[0], others=stores[1:], directions=str(folder))
    ranking.save(tmp_path / "svcca.parquet")
    ranking = Ranking.load(tmp_path / "svcca.parquet")
    loaded = models["gpt2"].with_dictionary(SITE, folder)
    again = extract(loaded, corpus, tmp_path / "latents.zarr", sites=f"{SITE}.latents")
    weights = load_file(folder / "sae_weights.safetensors")
    x = stores[0].values()
    latents = (x.astype(float) - weights["b_dec"]) @ weights["W_enc"]
    assert again.values() == pytest.approx(latents, abs=2e-4)
    assert latents.var(axis=0) == pytest.approx(np.ones(ranking.space.size), abs=1e-3)
    points = loaded.select([SITE, f"{SITE}.latents"])
    ids = [[5, 9, 30, 7]]
    with torch.no_grad(), loaded.recording(points[:1]) as record:
        loaded.forward(ids)
        before = record[SITE].numpy()
    with (
        torch.no_grad(),
        erasing(loaded, ranking.space, ranking.order[:1]),
        loaded.recording(points[:1]) as record,
    ):
        loaded.forward(ids)
        after = record[SITE].numpy()
    read = [(value - weights["b_dec"]) @ weights["W_enc"] for value in (before, after)]
    assert np.abs(read[0][..., 0]).max() > 0.1
    assert read[1][..., 0] == pytest.approx(np.zeros_like(read[1][..., 0]), abs=1e-4)
    assert read[1][..., 1:] == pytest.approx(read[0][..., 1:], abs=1e-4)
    curve = ablate(loaded, ranking, Perplexity(corpus), counts=[1, ranking.space.size], random_orders=1)
    top = curve.line("top").set_index("neurons")["value"]
    assert len(set(top)) == 3
    assert ranking.provenance.dictionaries() == {f"{SITE}.latents": loaded.dictionaries[SITE].identity}
    shutil.copytree(folder, tmp_path / "negated")
    negated = {name: -tensor for name, tensor in weights.items()}
    save_file(negated, tmp_path / "negated" / "sae_weights.safetensors")
    with pytest.raises(ModelError, match="does not have the content that its checksum says"):
        models["gpt2"].with_dictionary(SITE, tmp_path / "negated")
    config = json.loads((folder / "cfg.json").read_text())
    del config["checksum"], config["metadata"]["provenance"]
    (tmp_path / "negated" / "cfg.json").write_text(json.dumps(config))
    with pytest.raises(MismatchError, match=r"latents of dictionary .* give the folder that the ranking"):
        ablate(models["gpt2"].with_dictionary(SITE, tmp_path / "negated"), ranking, Perplexity(corpus))


def test_refusals(tmp_path) -> None:
    subject, other = store(0), store(1)

    def refused(error: type, message: str, model: Activations = subject, others=(other,), **options) -> None:
        with pytest.raises(error, match=message):
            rank("svcca", model, others=others, **{"site": SITE, **options})

    refused(ParameterError, "one other model, got 2", others=[other, store(2)])
    refused(ParameterError, r"set site to one of layers\.0, layers\.1", site=None)
    refused(ModelError, r"no site 'layers\.\*'; the sites are", site="layers.*")
    refused(ModelError, r"no site 'layers\.9'", other_site="layers.9")
    refused(MismatchError, "different words", others=[store(1, sentences=39)])
    refused(MismatchError, "the same model", others=[store(0)])
    refused(ParameterError, "variance must be above 0", variance=2)
    few = [store(seed, sentences=1) for seed in (0, 1)]
    refused(
        ParameterError,
        r"of 4 and 4 neurons\) needs at least 9 words, and the models have 5",
        model=few[0],
        others=few[1:],
    )
    still = changed(other, np.ones_like(other.values()))
    refused(ParameterError, r"no neuron of model-1 at layers\.1 varies", others=[still])
    values = other.values().copy()
    values[3, 4] = np.nan
    refused(ParameterError, r"layers\.1:1 at word 3", others=[replace(other, array=values)])
    (tmp_path / "there").mkdir()
    refused(OutputExistsError, "there exists already", directions=str(tmp_path / "there"))
    with pytest.raises(ParameterError, match=r"products of both sites needs .*; restrict the sites"):
        rank("svcca", subject, others=[other], site=SITE, memory="1MiB")
