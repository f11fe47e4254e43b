"""Test that a report of a folder drops no record silently and states what it leaves out."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from onegrain.analyses.neurons.heat import Heat, HeatSentence
from onegrain.core.sealing import write_sealed_json
from onegrain.errors import OutputExistsError, ParameterError, RecordError
from onegrain.records.curve import Curve
from onegrain.records.evaluation import Evaluation
from onegrain.records.provenance import ModelIdentity, Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.similarity import Similarity
from onegrain.records.space import NeuronSpace
from onegrain.reports import (
    HeatMap,
    Report,
    Section,
    Text,
    chart_png,
    chart_svg,
    compose,
    heatmap_text,
    left_out,
)
from onegrain.reports.charts import effective_bars
from onegrain.studies.gather import gather, write_folder_report

SPACE = NeuronSpace(("layers.0",), (6,))


def provenance(stage: str, model: str = "m", weights: str = "ab") -> Provenance:
    return Provenance(
        stage=stage, model=ModelIdentity(id=f"x/{model}", architecture="A", weight_hash=weights * 16)
    )


def ranking(seed: int, method: str = "std", **more: str) -> Ranking:
    scores = np.random.default_rng(seed).random(6)
    return Ranking.by_scores(method, SPACE, scores, provenance("rank", **more))


def curve(value: float, order: str = "", **more: str) -> Curve:
    points = pd.DataFrame([("top", n, value + n, value, value + 9) for n in (0, 2, 6)])
    points.columns = pd.Index(["line", "neurons", "value", "low", "high"])
    return Curve("perplexity", False, "s", points, 6, provenance("ablate", **more), {"order": order})


def test_records_of_one_name_are_told_apart_by_folder(tmp_path: Path) -> None:
    for number, folder in enumerate(("a/rankings", "b/rankings", "b/old/rankings")):
        ranking(number).save(tmp_path / folder / "f.parquet")
        curve(number + 1.0).save(tmp_path / folder.replace("rankings", "curves") / "perplexity--f.parquet")
    ranking(7).save(tmp_path / "a" / "alone--m.parquet")
    records = gather(tmp_path)
    names = {("m", "f (a)"), ("m", "f (b)"), ("m", "f (b/old)")}
    assert set(records.rankings) == names | {("m", "alone")}
    assert set(records.curves) == names
    assert records.left_out == ()
    for number, place in enumerate(("a", "b", "b/old")):
        assert (records.rankings["m", f"f ({place})"].scores == ranking(number).scores).all()
        assert records.curves["m", f"f ({place})"].intact == number + 1
    page = compose("T", records).html()
    for name in ("f (a)", "f (b)", "f (b/old)", "alone"):
        assert name in page
    assert "Left out" not in page


def test_names_that_differ_where_anchors_do_not_are_one_report(tmp_path: Path) -> None:
    for number, name in enumerate(("Ä", "ä", "x_1", "x-1", "X 1")):
        ranking(number).save(tmp_path / f"{name}.parquet")
        curve(1.0 + number, model=name).save(tmp_path / f"perplexity--{name}.parquet")
    report = compose("T", gather(tmp_path))
    charts = [chart.name for chart in report.charts()]
    assert len(charts) == len(set(charts)) == 5


def test_models_of_one_name_with_other_weights_are_told_apart(tmp_path: Path) -> None:
    ranking(0).save(tmp_path / "a" / "f--m.parquet")
    ranking(1, weights="cd").save(tmp_path / "b" / "f--m.parquet")
    ranking(2, weights="cd").save(tmp_path / "b" / "g--m.parquet")
    assert set(gather(tmp_path).rankings) == {("m", "f"), ("m (cdcdcdcd)", "f"), ("m (cdcdcdcd)", "g")}


def test_what_is_left_out_is_said_in_report_and_list(tmp_path: Path) -> None:
    ranking(0).save(tmp_path / "good.parquet")
    ranking(1).save(tmp_path / "bad.parquet")
    data = bytearray((tmp_path / "bad.parquet").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bad.parquet").write_bytes(data)
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "theirs.parquet")
    table = pd.DataFrame({"site_a": ["x"], "site_b": ["y"], "cka": [0.5]})
    Similarity(table, provenance("compare")).save(tmp_path / "likeness.parquet")
    (tmp_path / "broken.zarr").mkdir()
    (tmp_path / "cards.json").write_text('{"record": "neuron cards"}')
    (tmp_path / "notes\x07.txt").write_text("hello")
    (tmp_path / "measures").mkdir()
    (tmp_path / "measures" / "m.json").write_text("[1]")
    write_sealed_json(tmp_path / "measures" / "n.json", {"record": "measures", "kind": "x"}, force=False)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    records = gather(tmp_path)
    assert set(records.rankings) == {("m", "good")}
    assert records.models == {"n": {"kind": "x"}}
    lines = "\n".join(records.left_out)
    for part in (
        "bad.parquet: bad.parquet does not have the content that its checksum says",
        "theirs.parquet: theirs.parquet is a Parquet file without onegrain's checksum",
        "likeness.parquet: a report has no section for similarity",
        "broken.zarr: ",
        "cards.json: a report has no section for neuron cards",
        "measures/m.json: m.json is JSON, but not measures",
        "no records of onegrain (1): notes\x07.txt",
    ):
        assert part in lines
    assert str(tmp_path) not in lines.replace("broken.zarr", "")
    page = compose("T", records).html()
    assert "Left out" in page
    assert "bad.parquet does not have the content" in page
    assert "notes\\x07.txt" in page
    assert "\x07" not in page
    notices: list[str] = []
    write_folder_report(tmp_path, tmp_path / "r.html", notify=notices.append)
    assert notices == list(records.left_out)


def test_an_evaluation_of_one_ranking_is_left_out_and_the_report_is_made(tmp_path: Path) -> None:
    record = ranking(0)
    record.save(tmp_path / "f.parquet")
    points = pd.DataFrame([("masking", "f", "top", 0, 2, 0.5, 0.4, 0.6)])
    points.columns = pd.Index(["kind", "ranking", "keep", "order", "neurons", "accuracy", "low", "high"])
    details = {"orders": {"f": record.order_hash}}
    single = Evaluation(
        "upos", SPACE, {"f": "std"}, points, np.full((1, 3), 0.5), provenance("evaluate"), details
    )
    single.save(tmp_path / "e.parquet")
    lines: list[str] = []
    write_folder_report(tmp_path, tmp_path / "report.html", notify=lines.append)
    assert [line for line in lines if "evaluation e of m is not shown, because it measured one ranking" in line]


def test_a_record_without_the_details_of_its_section_is_named(tmp_path: Path) -> None:
    from support.records import evaluation, stability

    stability().save(tmp_path / "seldom.parquet")
    with pytest.raises(RecordError, match=r"m seldom cannot be shown.*'largest_gap'"):
        write_folder_report(tmp_path, tmp_path / "report.html")
    (tmp_path / "seldom.parquet").unlink()
    ranking(0).save(tmp_path / "f.parquet")
    more = evaluation()
    replace(more, methods={"a": "lca", "b": "lca"}, details={}).save(tmp_path / "e.parquet")
    with pytest.raises(RecordError, match=r"evaluation of a, b of m cannot be shown.*'orders'"):
        write_folder_report(tmp_path, tmp_path / "report.html")


def test_an_evaluation_whose_rankings_are_not_here_is_said(tmp_path: Path) -> None:
    first, other = ranking(0), ranking(1)
    columns = ["kind", "ranking", "keep", "order", "neurons", "accuracy", "low", "high"]
    points = pd.DataFrame([("masking", "f", keep, 0, 2, 0.5, 0.4, 0.6) for keep in ("top", "bottom")])
    points.columns = pd.Index(columns)
    details = {"orders": {"f": first.order_hash}}
    record = Evaluation(
        "upos", SPACE, {"f": "std"}, points, np.full((2, 3), 0.5), provenance("evaluate"), details
    )
    record.save(tmp_path / "e.parquet")
    other.save(tmp_path / "f.parquet")
    (line,) = left_out(gather(tmp_path))
    assert line.startswith("The evaluation e of m is not shown")
    assert line.endswith("another order: f.")


def test_two_correlation_rankings_of_a_model_are_both_shown(tmp_path: Path) -> None:
    for number, name in enumerate(("early", "late")):
        ranking(number, method="maxcorr").save(tmp_path / f"{name}.parquet")
    page = compose("T", gather(tmp_path)).html()
    assert "m early" in page
    assert "m late" in page


def test_a_report_that_was_cut_off_goes_on_and_a_whole_one_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    curve(3.0).save(tmp_path / "perplexity--f.parquet")
    ranking(0).save(tmp_path / "f.parquet")
    page = tmp_path / "report.html"
    write_folder_report(tmp_path, page)
    files = {path: path.read_bytes() for path in [page, *(tmp_path / "charts").glob("*.png")]}
    assert len(files) == 2
    repeats: list[str] = []
    assert write_folder_report(tmp_path, page, on_repeat=lambda: repeats.append("same")) == page
    assert repeats == ["same"]
    assert {path: path.read_bytes() for path in files} == files
    for missing in list(files)[1:]:
        missing.unlink()
        write_folder_report(tmp_path, page, on_repeat=lambda: repeats.append("incomplete"))
        assert {path: path.read_bytes() for path in files} == files
    assert repeats == ["same"]
    shutil.rmtree(tmp_path / "charts")
    write_folder_report(tmp_path, page)
    assert {path: path.read_bytes() for path in files} == files
    picture = next(path for path in files if path.suffix == ".png")
    picture.write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match="not a file that onegrain wrote"):
        write_folder_report(tmp_path, page, force=True)
    assert picture.read_bytes() == b"mine"
    page.unlink()
    with pytest.raises(OutputExistsError):
        write_folder_report(tmp_path, page)
    assert not page.exists()


ODD = "".join(map(chr, [*range(32), 127, *range(128, 160), 0x2028, 0xFFFE, 0xFFFF, 0xFDD0]))


def test_no_character_of_a_label_ends_the_process_or_reaches_a_page_raw() -> None:
    labels = np.array([f"N{ODD}", "<b>&'\"</b>", "[x]:y"], dtype=object)
    frame = pd.DataFrame({"label": pd.Series(labels, dtype=object), "effective": [1.0, 2.0, 3.0]})
    frame = frame.assign(word_class=None)
    chart = effective_bars(frame)
    assert chart_png(chart).startswith(b"\x89PNG")
    svg = chart_svg(chart)
    assert not set(ODD) - {"\n", "\t"} & set(svg)
    assert "\\x07" in svg
    heat = Heat(1, "layers.0:1", 0.0, 1.0, (HeatSentence(0, ("a\x1b[31m", "\udc80"), (2.0, math.nan)),))
    for ansi in (False, True):
        assert "a\\x1b[31m" in heatmap_text(heat, ansi=ansi)
        assert "\\udc80" in heatmap_text(heat, ansi=ansi)
    blocks = [Text.of("b\x07<", heading="h\x07"), HeatMap(heat, "c\x07")]
    page = Report("t", [Section("s\x07", blocks)]).html()
    assert not set(page) & {"\x07", "\x1b", "\udc80"}
    assert page.encode()


def test_odd_labels_and_names_reach_a_page_as_they_are(tmp_path: Path) -> None:
    labels = ("<script>alert(1)</script>", "N\x07", "[bold]x[/bold]", "a:b&c\"'")
    scores = np.abs(np.random.default_rng(0).normal(size=(4, 6)))
    odd = replace(ranking(0), method="probeless", layer="pos\x1b[0m", labels=labels, label_scores=scores)
    odd.save(tmp_path / "x[y]&z.parquet")
    replace(odd, method="lca", weights=scores).save(tmp_path / "lca.parquet")
    page = tmp_path / "report.html"
    write_folder_report(tmp_path, page, title="<i>\x07")
    text = page.read_text()
    assert not set(text) & {"\x07", "\x1b"}
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "N\\x07" in text
    assert "[bold]x[/bold]" in text
    assert "x[y]&amp;z" in text
    assert "<title>&lt;i&gt;\\x07</title>" in text


def test_a_folder_without_records_is_refused_and_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    notices: list[str] = []
    with pytest.raises(ParameterError, match="at least one ranking or curve"):
        write_folder_report(tmp_path, tmp_path / "r.html", notify=notices.append)
    assert notices == ["a.parquet: a.parquet is not a Parquet file: it does not end as one, or was cut short"]
    with pytest.raises(ParameterError, match="is not a folder"):
        gather(tmp_path / "none")
