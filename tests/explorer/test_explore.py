"""Starting and stopping the explorer: from Python, from the command line, and what can be missing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from onegrain.errors import MissingExtraError, ParameterError
from onegrain.explorer import RunningExplorer, assets, explore
from support import ROOT

LINE = "onegrain explorer: "


def ask(url: str, path: str = "/overview", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and content of an answer; redirects are not followed."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    result = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return result


def test_an_explorer_answers_from_its_thread(served: RunningExplorer) -> None:
    status, headers, content = ask(served.url)
    assert status == 200
    assert b"<h1>Tiny</h1>" in content
    assert "server" not in headers
    assert ask(served.url, "/")[1]["location"] == "/overview"
    assert ask(served.url, Host="evil.example")[0] == 403
    assert served.url in served._repr_html_()
    assert "token" not in served.url


def test_a_port_in_use_is_named(served: RunningExplorer, study: Path) -> None:
    port = urlsplit(served.url).port
    assert port is not None
    with pytest.raises(ParameterError, match=f"cannot listen on 127.0.0.1 port {port}: .*--port"):
        explore(study, port=port)
    with pytest.raises(ParameterError, match="cannot listen"):
        explore(study, port=70000)


def test_at_the_end_of_the_block_the_port_is_free(study: Path) -> None:
    before = set(threading.enumerate())
    with explore(study / "rankings", title="<b>") as running:
        assert b"&lt;b&gt;" in ask(running.url)[2]
        port = urlsplit(running.url).port
    running.wait()
    started = set(threading.enumerate()) - before
    for thread in started:
        thread.join(10)
    assert not any(thread.is_alive() for thread in started)
    with socket.socket() as again:
        again.bind(("127.0.0.1", port))


def test_another_address_needs_the_token(study: Path) -> None:
    with explore(study / "rankings", host="0.0.0.0") as running:
        parts = urlsplit(running.url)
        assert parts.query.startswith("token=")
        assert len(parts.query) > len("token=") + 24
        local = f"http://127.0.0.1:{parts.port}"
        assert ask(local)[0] == 401
        assert ask(local, "/overview?token=wrong")[0] == 401
        status, headers, _ = ask(local, f"/overview?{parts.query}")
        assert status == 303
        cookie = headers["set-cookie"].partition(";")[0]
        assert ask(local, Cookie=cookie)[0] == 200


def test_tokens_differ(study: Path) -> None:
    with explore(study / "rankings", host="0.0.0.0") as one, explore(study / "rankings", host="0.0.0.0") as two:
        assert urlsplit(one.url).query != urlsplit(two.url).query


def test_files_that_are_left_out_are_named(study_copy: Path) -> None:
    (study_copy / "rankings" / "cut.parquet").write_bytes(b"PAR1")
    lines: list[str] = []
    with explore(study_copy / "rankings", notify=lines.append):
        pass
    assert [line.partition(":")[0] for line in lines] == ["cut"]


def test_without_front_end_files_a_line_says_how_to_get_them(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "STATIC", tmp_path)
    with pytest.raises(MissingExtraError, match=r"vega\.min\.js.*fetch them: make frontend"):
        explore(study)


@pytest.mark.parametrize("missing", ["uvicorn", "fastapi"])
def test_without_the_extra_a_line_says_how_to_get_it(
    study: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    for name in [name for name in sys.modules if name.startswith("onegrain.explorer.")]:
        if name != "onegrain.explorer.explore":
            monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtraError, match=r"needs " + missing + r"; .*onegrain\[explore\]"):
        explore(study)


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start ``onegrain explore`` in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
    program = "import onegrain.cli as cli; cli.main()"
    command = [sys.executable, "-c", program, "explore", "--no-browser", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_the_command_prints_its_address_and_stops(study: Path) -> None:
    process = start(str(study / "rankings"), "--port", "0")
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith(LINE)
        url = line.removeprefix(LINE).strip()
        assert ask(url)[0] == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (0, "", "")


def test_the_command_prints_the_token_once(study: Path) -> None:
    process = start(str(study / "rankings"), "--port", "0", "--host", "0.0.0.0")
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        token = urlsplit(line.split()[-1]).query.removeprefix("token=")
        assert len(token) >= 24
        port = urlsplit(line.split()[-1]).port
        assert ask(f"http://127.0.0.1:{port}", f"/overview?token={token}")[0] == 303
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert token not in out + err
