"""A command that is repeated: what it made is kept, and it ends with exit code 0."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.commands import Run
from support.tiny import tiny_nlm

SCORES = ("probeless", "iou", "std")


@pytest.fixture
def store(run: Run, inputs: Path, tmp_path: Path) -> Path:
    words = tmp_path / "words.zarr"
    code, _, err = run(
        "extract",
        inputs / "nlm",
        inputs / "words.txt",
        "--labels",
        f"kind={inputs / 'words.kind'}",
        "--out",
        words,
    )
    assert code == 0, err
    return words


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_repeated_ranking_is_kept_and_another_refused(run: Run, store: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.parquet"
    command = ("rank", "iou", store, "--label", "kind", "--out", out)
    assert run(*command)[0] == 0
    before = out.read_bytes()
    (tmp_path / ".r.parquet.partial-1").mkdir()
    code, _, err = run(*command)
    assert (code, "the same command has made it" in err) == (0, True)
    assert (out.read_bytes(), list(tmp_path.glob(".*"))) == (before, [])
    for other in (("--seed", 1), ("--set", "quantiles=[0.9]"), ("--sites", "layers.1")):
        code, _, err = run(*command, *other)
        assert (code, "exists already; use --force" in err) == (1, True), other
    damaged = bytearray(before)
    damaged[len(before) // 2] ^= 1
    out.write_bytes(damaged)
    assert run(*command)[0] == 1
    assert run(*command, "--force")[0] == 0
    assert out.read_bytes() == before


def test_other_labels_of_the_same_words_are_another_ranking(
    run: Run, inputs: Path, store: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.zarr"
    labels = (inputs / "words.kind").read_text().split("\n")
    (tmp_path / "kind").write_text("\n".join(" ".join(reversed(line.split())) for line in labels))
    code, _, err = run(
        "extract", inputs / "nlm", inputs / "words.txt", "--labels", f"kind={tmp_path / 'kind'}", "--out", other
    )
    assert code == 0, err
    out = tmp_path / "r.parquet"
    assert run("rank", "iou", store, "--label", "kind", "--out", out)[0] == 0
    assert run("rank", "iou", other, "--label", "kind", "--out", out)[0] == 1


@pytest.mark.parametrize("missing", SCORES)
def test_several_rankings_resume_where_they_stopped(
    run: Run, store: Path, tmp_path: Path, missing: str
) -> None:
    """One ranking is missing, as after a kill; the finished ones are not written again."""
    command = ("rank", ",".join(SCORES), store, "--label", "kind", "--out", tmp_path / "r")
    assert run(*command)[0] == 0
    before = content(tmp_path / "r")
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "r").iterdir() if path.stem != missing}
    (tmp_path / "r" / f"{missing}.parquet").unlink()
    code, out, err = run(*command)
    assert code == 0, err
    assert all(name in out for name in SCORES)
    assert content(tmp_path / "r") == before
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    code, _, err = run(*command)
    assert (code, "the same command has made it" in err) == (0, True)


def test_a_ranking_of_others_in_the_folder_is_kept(run: Run, store: Path, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "iou.parquet").write_text("years of work")
    for force in ((), ("--force",)):
        assert run("rank", "iou,std", store, "--label", "kind", "--out", tmp_path / "r", *force)[0] == 1
    assert content(tmp_path / "r") == {"iou.parquet": b"years of work"}


def test_a_repeated_ablation_is_kept(run: Run, inputs: Path, store: Path, tmp_path: Path) -> None:
    ranking, out = tmp_path / "r.parquet", tmp_path / "curve.parquet"
    assert run("rank", "std", store, "--out", ranking)[0] == 0
    command = ("ablate", inputs / "nlm", ranking, inputs / "words.txt", "--metric", "perplexity", "--out", out)
    options = ("--steps", 2, "--random-orders", 1)
    code, _, err = run(*command, *options, "--limit", 8)
    assert code == 0, err
    before = out.read_bytes()
    code, _, err = run(*command, *options, "--limit", 8)
    assert (code, "the same command has made it" in err) == (0, True)
    for other in ((*options, "--limit", 7), ("--steps", 3, "--random-orders", 1, "--limit", 8)):
        assert run(*command, *other)[0] == 1
    assert out.read_bytes() == before


def test_a_repeated_similarity_is_kept(run: Run, inputs: Path, store: Path, tmp_path: Path) -> None:
    tiny_nlm(tmp_path / "other", seed=1)
    second, out = tmp_path / "second.zarr", tmp_path / "s.parquet"
    assert run("extract", tmp_path / "other", inputs / "words.txt", "--out", second)[0] == 0
    assert run("similarity", store, second, "--measure", "cka", "--out", out)[0] == 0
    code, _, err = run("similarity", store, second, "--measure", "cka", "--out", out)
    assert (code, "the same command has made it" in err) == (0, True)
    assert run("similarity", store, second, "--measure", "svcca", "--out", out)[0] == 1


def test_a_repeated_comparison_of_rankings_is_kept(run: Run, store: Path, tmp_path: Path) -> None:
    assert run("rank", "iou,std", store, "--label", "kind", "--out", tmp_path / "r")[0] == 0
    command = (
        "compare",
        tmp_path / "r" / "iou.parquet",
        tmp_path / "r" / "std.parquet",
        "--out",
        tmp_path / "c",
    )
    code, _, err = run(*command)
    assert code == 0, err
    before = content(tmp_path / "c")
    code, _, err = run(*command)
    assert (code, "the same command has made it" in err) == (0, True)
    code, _, err = run(*command, "--k", 3)
    assert (code, "exists already" in err) == (1, True)
    (tmp_path / "c" / "table.csv").write_text("another")
    assert run(*command)[0] == 1
    assert run(*command, "--force")[0] == 0
    assert content(tmp_path / "c") == before


def test_names_of_outputs_are_checked_before_the_work(
    run: Run, store: Path, inputs: Path, tmp_path: Path
) -> None:
    for out in (tmp_path / "r.csv", tmp_path / "r", tmp_path):
        code, _, err = run("rank", "std", tmp_path / "no store", "--out", out)
        assert (code, str(out) in err) == (1, True)
    code, _, err = run("rank", "std,../up", store, "--out", tmp_path / "r")
    assert (code, "becomes the name of a file" in err) == (1, True)


def test_what_a_killed_check_left_is_removed(run: Run, store: Path, tmp_path: Path) -> None:
    (tmp_path / ".onegrain-probe-abc").mkdir()
    assert run("rank", "std", store, "--out", tmp_path / "r.parquet")[0] == 0
    assert list(tmp_path.glob(".*")) == []


def test_a_repeated_conversion_or_report_is_kept(run: Run, store: Path, tmp_path: Path) -> None:
    file, back, folder = tmp_path / "words.json", tmp_path / "back.zarr", tmp_path / "study"
    folder.mkdir()
    assert run("rank", "iou", store, "--label", "kind", "--out", folder / "iou.parquet")[0] == 0
    for command, out in (
        (("convert", store, file), file),
        (("convert", file, back), back),
        (("report", folder), folder / "report.html"),
    ):
        assert run(*command)[0] == 0, command
        before = content(tmp_path)
        code, printed, err = run(*command)
        assert (code, printed) == (0, "")
        assert f"{out} exists already: the same command has made it" in err
        assert content(tmp_path) == before
