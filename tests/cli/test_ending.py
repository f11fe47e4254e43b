"""Test that no run of the command line ends in a traceback without --debug."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from onegrain.cli import command_tree
from onegrain.cli.ending import split_debug, unforeseen
from onegrain.records.curve import Curve

COMMAND = command_tree()


@pytest.mark.parametrize(
    ("line", "kept", "debug"),
    [
        ("show x --debug", "show x", True),
        ("--debug show x", "show x", True),
        ("show --debug x", "show x", True),
        ("show x --json --debug", "show x --json", True),
        ("report x --title --debug", "report x --title --debug", False),
        ("report x --title --debug --debug", "report x --title --debug", True),
        ("report x --title=a --debug", "report x --title=a", True),
        ("show -- --debug", "show -- --debug", False),
        ("show --debug -- --debug", "show -- --debug", True),
        ("report x --title -- --debug", "report x --title --", True),
        ("train nlm --out --debug", "train nlm --out --debug", False),
        ("train --debug nlm --out o", "train nlm --out o", True),
        ("nothing --debug", "nothing", True),
        ("--version --debug", "--version", True),
        ("", "", False),
    ],
)
def test_debug_is_taken_from_anywhere_but_never_a_value(line: str, kept: str, debug: bool) -> None:
    assert split_debug(line.split(), COMMAND) == (kept.split(), debug)


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (KeyError("probes"), r"show ended by an error that onegrain did not foresee \(KeyError: 'probes'\)"),
        (RecursionError("maximum recursion depth"), "RecursionError: maximum recursion depth"),
        (AssertionError(), r"foresee \(AssertionError\)"),
        (ValueError("two\nlines and \x1b[31m"), r"ValueError: two lines and \\x1b\[31m"),
        (OSError(27, "File too large", "x.zarr"), r"the system says 'File too large' for x\.zarr"),
        (MemoryError("Unable to allocate 8 GiB"), r"needs more memory .*\(Unable to allocate 8 GiB\)"),
        (UnicodeEncodeError("utf-8", "\udc80", 0, 1, "surrogates not allowed"), r"UnicodeEncodeError: .*udc80"),
    ],
)
def test_an_error_that_nobody_foresaw_is_one_line(
    run, monkeypatch: pytest.MonkeyPatch, failure: BaseException, message: str
) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr("onegrain.cli.verbs.show._model", fail)
    before = threading.excepthook, sys.unraisablehook
    code, out, err = run("show", "x")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("onegrain: show ")
    with pytest.raises(RuntimeError, match=message):
        raise RuntimeError(err)
    if not isinstance(failure, MemoryError):
        for part in ("please report it to", "the version (", "--debug"):
            assert part in err
    assert (threading.excepthook, sys.unraisablehook) == before
    with pytest.raises(type(failure)):
        run("show", "x", "--debug")


def test_a_line_names_the_verb_of_a_group_and_cuts_long_texts() -> None:
    assert unforeseen(KeyError("x"), ["train", "nlm", "--out"]).startswith("train nlm ended")
    assert unforeseen(KeyError("x"), ["--json"]).startswith("onegrain ended")
    assert len(unforeseen(ValueError("x" * 10**6), ["show"])) < 1000


PROGRAM = """
import sys, threading
from onegrain import cli
from onegrain.cli.verbs import show
{body}
sys.argv = ["onegrain", "show", "x"]
cli.main()
"""


def shell(body: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PROGRAM.format(body=body)]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE)


def test_an_error_in_a_thread_prints_no_traceback() -> None:
    body = """
def work(*_):
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
show._model = work
"""
    process = shell(body)
    _, err = process.communicate()
    assert process.returncode == 0
    assert err == b"onegrain: a thread ended by ZeroDivisionError: division by zero; add --debug to see where\n"


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_has_seen_enough_is_no_error(lines: int) -> None:
    body = f"""
def work(*_):
    sys.stdin.read()
    for number in range({lines}):
        print(number)
show._model = work
"""
    command = [sys.executable, "-c", PROGRAM.format(body=body)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.close()
    assert process.stderr.read() == b""
    assert process.wait() == 1


def test_a_full_disk_behind_the_output_is_one_line() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as full:
        process = shell("show._model = lambda *_: print('x' * 100_000)", stdout=full.fileno())
        _, err = process.communicate()
    assert process.returncode == 1
    assert err.startswith(b"onegrain: show ended because the system says 'No space left on device'")
    assert err.count(b"\n") == 1


def test_letters_that_a_terminal_cannot_show_are_escaped() -> None:
    body = """
sys.stdout.reconfigure(encoding="ascii", errors="strict")
show._model = lambda *_: print("dürr \\udc80")
"""
    process = shell(body)
    out, err = process.communicate()
    assert (process.returncode, out, err) == (0, b"d\\xfcrr \\udc80\n", b"")


def test_a_curve_that_lacks_what_is_shown_is_one_line(run, tmp_path: Path) -> None:
    import pandas as pd

    from onegrain.records.provenance import Provenance

    points = pd.DataFrame({"line": ["top"], "neurons": [1], "value": [1.0], "low": [1.0], "high": [1.0]})
    Curve("bleu", True, "s", points, 3, Provenance(stage="ablate")).save(tmp_path / "c.parquet")
    code, _, err = run("show", tmp_path / "c.parquet")
    assert (code, err) == (1, "onegrain: the curve has no point with nothing erased\n")
