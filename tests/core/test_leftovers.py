"""Leftovers of writers that died are removed, and those of living writers are not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from core.test_output import RECORD, leftovers
from onegrain.core.output import (
    require_writable_output,
    whole_file,
)

WRITER = """
import sys, time
from pathlib import Path
from onegrain.core.output import whole_file
with whole_file(sys.argv[1], force=True) as partial:
    partial.write_text("half")
    print("writing", flush=True)
    sys.stdin.read()
"""


def writer(out: Path) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, out], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "writing\n"
    return process


def test_leftovers_of_the_dead_are_swept_and_those_of_the_living_are_not(tmp_path):
    out = tmp_path / "a.json"
    with writer(out) as dead, writer(out) as living:
        assert len(leftovers(tmp_path)) == 2
        dead.send_signal(signal.SIGKILL)
        dead.wait()
        with whole_file(out, force=False) as partial:
            partial.write_text(RECORD)
        assert leftovers(tmp_path) == [f".a.json.partial-{living.pid}"]
        living.stdin.close()
        assert living.wait() == 0
    assert out.read_text() == "half"
    assert leftovers(tmp_path) == []


def test_a_leftover_with_the_number_of_a_living_process_is_swept_once_its_lock_is_free(tmp_path):
    """As happens when the number of a dead process is given to another."""
    out, other = tmp_path / "a.json", tmp_path / "b.json"
    with writer(out) as dead:
        dead.kill()
    (tmp_path / f".a.json.partial-{dead.pid}").rename(tmp_path / f".a.json.partial-{os.getpid()}")
    (tmp_path / f".b.json.partial-{os.getpid()}").mkdir()
    for path in (out, other):
        with whole_file(path, force=False) as partial:
            partial.write_text(RECORD)
    assert leftovers(tmp_path) == []


def test_leftovers_of_the_first_version_are_swept_if_no_such_process_lives(tmp_path):
    out = tmp_path / "a.json"
    (tmp_path / ".a.json.partial-4194305").write_text("half")
    (tmp_path / f".a.json.partial-{os.getpid()}").write_text("half")
    (tmp_path / ".a.json.partial-4194306").mkdir()
    (tmp_path / ".a.json.partial-4194306/half.txt").write_text("half")
    (tmp_path / ".other.json.partial-4194305").write_text("half")
    require_writable_output(out, force=False)
    assert leftovers(tmp_path) == [f".a.json.partial-{os.getpid()}", ".other.json.partial-4194305"]


def test_two_threads_of_one_process_may_write_one_output(tmp_path):
    out = tmp_path / "a.json"
    with whole_file(out, force=True) as first, whole_file(out, force=True) as second:
        assert first != second
        first.write_text("first")
        second.write_text(json.dumps({"record": "neuron cards", "n": 2}))
    assert out.read_text() == "first"
    assert leftovers(tmp_path) == []
