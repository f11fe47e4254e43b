"""The page Sweep: what is on offer, and sweeps that are started, watched, stopped and kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from starlette.testclient import TestClient

import onegrain as og
from onegrain.explorer.app import create_app
from onegrain.explorer.collecting import collect
from onegrain.explorer.settings import Settings
from onegrain.explorer.sweep_offers import SANDBOX_SEED
from onegrain.records.ranking import Ranking
from onegrain.records.sweep import Sweep
from onegrain.synthetic import sandbox, sandbox_parts

LONGEST_WAIT = 60.0
FEW = {"steps": 2, "orders": 2, "sentences": 20}
CHECKPOINTS = ".explorer-*.checkpoint"


@pytest.fixture
def swept(study_copy: Path) -> Iterator[TestClient]:
    """A client of an explorer that may write into its study."""
    with TestClient(create_app(collect([study_copy]), Settings(hosts=("testserver",)))) as opened:
        yield opened


def start(client: TestClient, **values: Any) -> str:
    answer = client.post("/sweep/start", data={**FEW, **values}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def finished(client: TestClient, address: str) -> dict[str, Any]:
    end = time.monotonic() + LONGEST_WAIT
    while True:
        page: dict[str, Any] = client.get(address.replace("/sweep?", "/sweep.json?")).json()
        if page["started"]["state"] not in ("waiting", "running"):
            return page
        assert time.monotonic() < end
        time.sleep(0.05)


def test_only_what_can_be_measured_is_on_offer(client: TestClient) -> None:
    language = client.get("/sweep.json", params={"model": "nlm-1"}).json()
    assert language["measure"] == "perplexity@activations/nlm-1--test"
    assert "minimal_pairs@sandbox-pairs" in [name for name, _ in language["offers"]]
    translation = client.get("/sweep.json", params={"model": "nmt"}).json()
    assert [name for name, _ in translation["offers"]][:2] == ["bleu@sandbox-fr", "chrf@sandbox-fr"]
    assert client.get("/sweep", params={"measure": "bleu@activations/nlm-1--test"}).status_code == 404
    assert client.get("/sweep", params={"model": "nobody"}).status_code == 404


def test_a_kept_sweep_is_that_of_python(swept: TestClient, study_copy: Path) -> None:
    values = {"ranking": "rankings/upos--nlm-1", "kind": ["zero", "mean"], "line": ["top", "random", "keep"]}
    address = start(swept, **values)
    page = finished(swept, address)
    state = page["started"]
    assert (state["state"], state["done"], state["keepable"]) == ("done", state["total"], True)
    job = state["job"]
    refused = swept.post("/sweep/keep", data={"job": job, "name": "../outside"}, follow_redirects=False)
    assert refused.status_code == 422
    kept = swept.post("/sweep/keep", data={"job": job, "name": "mine"}, follow_redirects=False)
    assert kept.headers["location"] == address
    record = Sweep.load(study_copy / "sweeps" / "mine.parquet")
    store = og.open_activations(study_copy / "activations" / "nlm-1--test.zarr")
    wanted = og.sweep(
        og.load_model(study_copy / "models" / "nlm-1", device="cpu"),
        {"upos--nlm-1": Ranking.load(study_copy / "rankings" / "upos--nlm-1.parquet")},
        og.Perplexity(store.corpus.head(20)),
        ["zero", "mean"],
        lines=["top", "random", "keep"],
        steps=2,
        random_orders=2,
        reference=store,
    )
    pd.testing.assert_frame_equal(record.points, wanted.points)
    assert record.details == wanted.details
    assert "sweeps/mine" in swept.get("/overview").text
    assert [figure["name"] for figure in page["figures"]] == ["edited", "kept"]
    assert swept.get(address.replace("/sweep?", "/sweep/figure/edited.csv?")).text.startswith("ranking,edit")
    twice = swept.post("/sweep/keep", data={"job": job, "name": "mine"}, follow_redirects=False)
    assert twice.status_code == 422


def test_the_events_end_with_the_finished_sweep(swept: TestClient) -> None:
    address = start(swept, line="top", steps=1)
    with swept.stream("GET", address.replace("/sweep?", "/sweep/events?")) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        text = "".join(events.iter_text())
    assert 'data-state="done"' in text
    assert "event: done" in text
    assert "style=" not in text


def test_a_stopped_sweep_keeps_its_points_and_goes_on(
    swept: TestClient, study_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onegrain.interventions.measuring as measuring

    monkeypatch.setattr(measuring, "TOGETHER", 1)
    many = {"line": ["top", "bottom"], "steps": 12, "sentences": 60}
    address = start(swept, **many)
    job = address.partition("=")[2]
    end = time.monotonic() + LONGEST_WAIT
    while swept.get(address.replace("/sweep?", "/sweep.json?")).json()["started"]["done"] < 3:
        assert time.monotonic() < end
    swept.post("/sweep/stop", data={"job": job}, follow_redirects=False)
    state = finished(swept, address)["started"]
    assert state["state"] == "stopped"
    assert 3 <= state["done"] < 24
    swept.post("/sweep/keep", data={"job": job, "name": "part"}, follow_redirects=False)
    part = Sweep.load(study_copy / "sweeps" / "part.parquet")
    assert part.details["stopped_early"]["planned"] == 24
    assert part.details["stopped_early"]["points"] == len(part.points) == state["points"]
    assert "continues from them" in swept.get(address).text
    part.curve()


def test_a_sweep_that_is_stopped_at_once_promises_no_points(swept: TestClient) -> None:
    address = start(swept, line="top", steps=2, sentences=20)
    swept.post("/sweep/stop", data={"job": address.partition("=")[2]}, follow_redirects=False)
    state = finished(swept, address)["started"]
    page = swept.get(address).text
    assert ("ended before its first measurement" in page) == (state["done"] == 0)
    assert ("continues from them" in page) == (state["done"] > 0)


def test_stopping_the_explorer_leaves_the_points_for_the_next(
    study_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onegrain.interventions.measuring as measuring

    monkeypatch.setattr(measuring, "TOGETHER", 1)
    many = {"line": ["top", "bottom"], "steps": 12, "sentences": 60}
    settings = Settings(hosts=("testserver",))
    folder = study_copy / "sweeps"
    earlier = set(folder.glob(CHECKPOINTS))
    with TestClient(create_app(collect([study_copy]), settings)) as first:
        address = start(first, **many)
        end = time.monotonic() + LONGEST_WAIT
        while first.get(address.replace("/sweep?", "/sweep.json?")).json()["started"]["done"] < 3:
            assert time.monotonic() < end
    (checkpoint,) = set(folder.glob(CHECKPOINTS)) - earlier
    lines = checkpoint.read_bytes().count(b"\n")
    assert lines > 3
    with TestClient(create_app(collect([study_copy]), settings)) as second:
        address = start(second, **many)
        assert finished(second, address)["started"]["state"] == "done"
        second.post("/sweep/cancel", data={"job": address.partition("=")[2]})
    assert not checkpoint.exists()


def test_bleu_is_measured_on_new_text_of_the_sandbox(swept: TestClient, study_copy: Path) -> None:
    address = start(swept, model="nmt", line="top", steps=1, sentences=6)
    page = finished(swept, address)
    assert page["started"]["state"] == "done", page["started"]["error"]
    model = og.load_model(study_copy / "models" / "nmt", device="cpu")
    intact = og.BLEU(sandbox(6, seed=SANDBOX_SEED, parallel="fr")).measure(model)
    assert page["figures"][0]["table"]["rows"][0][5] == pytest.approx(intact.value)


def test_what_cannot_be_started_is_refused(swept: TestClient) -> None:
    def status(**values: Any) -> int:
        return swept.post("/sweep/start", data=values, follow_redirects=False).status_code

    assert status(ranking="rankings/upos-nmt--nmt", model="nlm-1") == 422
    assert status(ranking="nothing") == 404
    assert status(steps=0) == 422
    assert status(unknown="x") == 422
    assert swept.post("/sweep/start", content=b"\xff\xfe").status_code == 422
    assert swept.post("/sweep/start", content=b"x" * 200_000).status_code == 422
    elsewhere = {"origin": "http://elsewhere"}
    assert swept.post("/sweep/start", data={}, headers=elsewhere).status_code == 403
    assert swept.get("/sweep/events", params={"job": "nothing"}).status_code == 404
    assert swept.post("/sweep/stop", data={"job": "nothing"}).status_code == 404


def test_the_estimate_counts_the_measurements(swept: TestClient) -> None:
    page = swept.get("/sweep-estimate.json", params={"line": ["top", "bottom"], **FEW}).json()
    assert page["measurements"] == 4  # the intact model, half and all of the neurons, and the other half
    assert page["seconds_each"] > 0
    assert "measurements" in swept.get("/sweep-estimate", params=FEW).text


@pytest.fixture
def parallel(study_copy: Path, study: Path) -> Iterator[TestClient]:
    """A client of an explorer that was given the study's file beside its folder."""
    places = [study_copy, study.parent / "study.toml"]
    with TestClient(create_app(collect(places), Settings(hosts=("testserver",)))) as opened:
        yield opened


def test_bleu_is_measured_on_a_parallel_corpus_of_the_study(parallel: TestClient, study_copy: Path) -> None:
    offered = parallel.get("/sweep.json", params={"model": "nmt"}).json()
    names = [name for name, _ in offered["offers"]]
    assert names[:3] == ["bleu@study/test", "chrf@study/test", "perplexity@study/test"]
    assert not any("train" in name for name in names)
    assert offered["untranslated"] == ""
    assert "study" not in str(parallel.get("/sweep.json", params={"model": "nlm-1"}).json()["offers"])
    page = finished(parallel, start(parallel, model="nmt", line="top", steps=1, sentences=6))
    assert page["started"]["state"] == "done", page["started"]["error"]
    test = sandbox_parts(1, 240, 60, parallel="fr").test
    intact = og.BLEU(test.head(6)).measure(og.load_model(study_copy / "models" / "nmt", device="cpu"))
    assert page["figures"][0]["table"]["rows"][0][5] == pytest.approx(intact.value)
    assert dict(page["started"]["facts"])["rankings"] == "upos-nmt--nmt"
    kept = parallel.post(
        "/sweep/keep", data={"job": page["started"]["job"], "name": "bleu"}, follow_redirects=False
    )
    assert kept.status_code == 303
    assert (study_copy / "sweeps" / "bleu.parquet").is_file()


def test_the_page_says_why_translations_are_not_measured(study_copy: Path, tmp_path: Path) -> None:
    """A translation model whose stores are not of the sandbox."""
    store = study_copy / "activations" / "nmt--test.zarr"
    manifest = store / "zarr.json"
    manifest.write_text(manifest.read_text().replace("sandbox", "captions"))
    missing = (study_copy.parent / "missing.toml", "captions", 'source = "no.en"\ntarget = "no.fr"')
    missing[0].write_text(
        f"""title = "t"\n[corpora.train]\nsandbox = {{ take = 0 }}\n[corpora.{missing[1]}]\n{missing[2]}\n"""
        """[models.nmt]\nkind = "nmt"\ntrain = "train"\nvalid = "captions"\n"""
    )
    settings = Settings(hosts=("testserver",))
    for places, words in (([study_copy], "Give the study"), ([study_copy, missing[0]], "ONEGRAIN_DATA")):
        with TestClient(create_app(collect(places), settings)) as opened:
            page = opened.get("/sweep.json", params={"model": "nmt"}).json()
            assert page["offers"] == []
            assert words in page["untranslated"]
            html = opened.get("/sweep", params={"model": "nmt"}).text
            assert "onegrain sweep MODEL SOURCE TARGET" in html
            assert opened.post("/sweep/start", data={"model": "nmt"}).status_code == 422
