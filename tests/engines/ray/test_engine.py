"""Test work in the processes of a real Ray cluster on this machine."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from onegrain.engines import engine_named
from onegrain.engines.ray.results import packed, unpacked
from onegrain.errors import CorpusError, EngineError, ParameterError

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'onegrain[ray]'")
connected = pytest.mark.usefixtures("two_cpus_of_ray")


def squares(before: Callable[[int], None] = lambda item: None) -> Callable[[], Any]:
    """Return work that returns an item's square and its process; ``before`` is first called with each item."""

    def start() -> Any:
        def work(item: int, advance: Callable[[int], None]) -> tuple[int, int]:
            before(item)
            advance(item)
            advance(1)
            return item * item, os.getpid()

        return work

    return start


def data_settings() -> tuple[Any, ...]:
    context = ray.data.DataContext.get_current()
    return context.target_max_block_size, context.enable_progress_bars, repr(context.execution_options)


def alive_workers() -> list[psutil.Process]:
    workers = []
    for process in psutil.process_iter(["cmdline"]):
        if any("MapWorker" in part for part in process.info["cmdline"] or []):
            workers.append(process)
    session = ray._private.worker._global_node.get_session_dir_path()
    return [process for process in workers if session in " ".join(process.parent().cmdline())]


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.05)
    return condition()


@connected
def test_results_come_in_the_order_of_the_items_from_two_processes() -> None:
    def slow_first(item: int) -> None:
        time.sleep(0.5 if item == 0 else 0.02)

    settings, levels = data_settings(), [handler.level for handler in logging.getLogger("ray.data").handlers]
    reported: list[int] = []
    results = list(engine_named("ray", workers=2).stream(squares(slow_first), range(20), reported.append))
    assert [square for square, _ in results] == [item * item for item in range(20)]
    processes = {process for _, process in results}
    assert len(processes) == 2
    assert os.getpid() not in processes
    assert reported == [item + 1 for item in range(20)]
    assert ray.is_initialized(), "the connection was there before"
    assert data_settings() == settings
    assert [handler.level for handler in logging.getLogger("ray.data").handlers] == levels
    assert wait_for(lambda: not alive_workers())


@connected
def test_nothing_is_printed_except_by_the_users_connection(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(engine_named("ray", workers=1).stream(squares(), [], pytest.fail)) == []
    results = list(engine_named("ray").stream(squares(), [2, 3], lambda done: None))
    assert [square for square, _ in results] == [4, 9]
    assert capsys.readouterr().err == ""


@connected
def test_an_error_of_the_work_arrives_unchanged_and_in_order() -> None:
    def refuse(item: int) -> None:
        if item == 1:
            raise CorpusError("broken", "file.txt", 3)
        time.sleep(0.3 if item == 0 else 0)

    stream = engine_named("ray", workers=2).stream(squares(refuse), range(8), lambda done: None)
    assert next(stream)[0] == 0
    with pytest.raises(CorpusError, match=r"file\.txt:3: broken") as raised:
        next(stream)
    assert (raised.value.path, raised.value.line) == ("file.txt", 3)
    assert "in refuse" in raised.value.__notes__[0]

    def never() -> Any:
        raise CorpusError("cannot start")

    with pytest.raises(CorpusError, match="cannot start"):
        list(engine_named("ray").stream(never, [1], lambda done: None))


@connected
def test_an_error_that_cannot_be_pickled_is_reported() -> None:
    class OddError(Exception):
        def __init__(self, first: str, second: str) -> None:
            super().__init__(first + second)

    def refuse(item: int) -> None:
        raise OddError("a", "b")

    with pytest.raises(EngineError, match="OddError: ab"):
        list(engine_named("ray").stream(squares(refuse), [1], lambda done: None))


@connected
def test_a_worker_that_kills_itself_loses_nothing(tmp_path: Path) -> None:
    def die_once(item: int) -> None:
        mark = tmp_path / str(item)
        if item in (3, 7) and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    reported: list[int] = []
    results = list(engine_named("ray", workers=2).stream(squares(die_once), range(12), reported.append))
    assert {path.name for path in tmp_path.iterdir()} == {"3", "7"}
    assert [square for square, _ in results] == [item * item for item in range(12)]
    assert reported == [item + 1 for item in range(12)]
    assert len({process for _, process in results}) > 2


@connected
def test_a_worker_killed_from_outside_loses_nothing(tmp_path: Path) -> None:
    def note(item: int) -> None:
        (tmp_path / f"{item}-{os.getpid()}").touch()
        time.sleep(4.0 if item == 4 else 0.1)

    stream = engine_named("ray", workers=2).stream(squares(note), range(16), lambda done: None)
    results = [next(stream)]
    assert wait_for(lambda: any(path.name.startswith("4-") for path in tmp_path.iterdir()))
    (victim,) = (int(path.name[2:]) for path in tmp_path.iterdir() if path.name.startswith("4-"))
    os.kill(victim, signal.SIGKILL)
    results += stream
    assert [square for square, _ in results] == [item * item for item in range(16)]
    assert len(list(tmp_path.iterdir())) > 16, "what the dead worker was at was begun again"


@connected
def test_an_item_that_kills_every_worker_ends_in_an_error() -> None:
    def die(item: int) -> None:
        if item == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    stream = engine_named("ray", workers=2).stream(squares(die), range(4), lambda done: None)
    assert next(stream)[0] == 0
    with pytest.raises(EngineError, match="4 workers died of the same piece of work"):
        next(stream)


@connected
@pytest.mark.slow
def test_a_start_that_kills_every_worker_ends_in_an_error() -> None:
    def start() -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(EngineError, match="died while they started"):
        list(engine_named("ray").stream(start, [1, 2], lambda done: None))


@connected
def test_workers_pause_while_results_wait_and_end_when_the_stream_is_closed(tmp_path: Path) -> None:
    """Sixty results of 20 MB are six times the size of the cluster's memory."""

    def start() -> Any:
        def work(item: int, advance: Callable[[int], None]) -> np.ndarray:
            (tmp_path / str(item)).touch()
            return np.full(5_000_000, item, dtype=np.float32)

        return work

    stream = engine_named("ray", workers=2).stream(start, range(60), lambda done: None)
    first = next(stream)
    time.sleep(2)
    assert len(list(tmp_path.iterdir())) <= 10
    np.testing.assert_array_equal(first, 0)
    assert first.flags.writeable
    for item, result in zip(range(1, 14), stream, strict=False):
        assert (result[0], result[-1]) == (item, item)
    assert alive_workers()
    stream.close()
    assert wait_for(lambda: not alive_workers())


@connected
def test_workers_are_limited_to_the_number_of_cpus() -> None:
    def short(item: int) -> None:
        time.sleep(0.1)

    results = list(engine_named("ray", workers=50).stream(squares(short), range(10), lambda done: None))
    assert [square for square, _ in results] == [item * item for item in range(10)]
    assert len({process for _, process in results}) <= 2


@connected
def test_another_address_than_the_connections_is_refused() -> None:
    with pytest.raises(ParameterError, match="connected to Ray at"):
        list(engine_named("ray", address="10.0.0.1:6379").stream(squares(), [1], print))
    current = ray.get_runtime_context().gcs_address
    assert len(list(engine_named("ray", address=current).stream(squares(), [1], lambda done: None))) == 1


def test_large_arrays_are_not_copied_into_the_pickle() -> None:
    value = {"a": np.arange(1000.0), "b": (np.empty((0, 3)), np.asfortranarray(np.ones((4, 5)))), "c": "x" * 10}
    table = packed(value)
    assert [len(part.as_py()) for part in table["part"]][1:] == [8000, 0, 160]
    again = unpacked(table)
    np.testing.assert_array_equal(again["a"], value["a"])
    np.testing.assert_array_equal(again["b"][1], 1)
    assert again["b"][0].shape == (0, 3)
    assert again["a"].flags.writeable
    again["a"][0] = 7
    assert unpacked(table)["a"][0] == 0
    np.testing.assert_array_equal(unpacked(table.combine_chunks())["b"][1], 1)


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ParameterError, match="workers must be 1 or more"):
        engine_named("ray", workers=0)
    with pytest.raises(ParameterError, match="belong to the ray engine"):
        engine_named("local", workers=2)
    with pytest.raises(ParameterError, match="the engines are: local, ray"):
        engine_named("spark")


WITHOUT_RAY = """
import sys
sys.modules["ray"] = None
from onegrain.engines import engine_named
from onegrain.errors import MissingExtraError
engine_named("local")
try:
    engine_named("ray")
except MissingExtraError as error:
    print(error)
"""


def test_without_ray_the_extra_is_named() -> None:
    run = subprocess.run([sys.executable, "-c", WITHOUT_RAY], capture_output=True, text=True, check=True)
    assert "pip install 'onegrain[ray]'" in run.stdout


STREAM = """
import json, logging, os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
term = signal.getsignal(signal.SIGTERM)
from onegrain.engines import engine_named
from onegrain.errors import OnegrainError

mark, seconds = sys.argv[2], float(sys.argv[3])

def start():
    def work(item, advance):
        if item == 1 and not os.path.exists(mark):
            open(mark, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        print("a worker's noise")
        time.sleep(seconds)
        return item, os.getcwd()
    return work

import ray
try:
    engine = engine_named("ray", address=sys.argv[1] or None, workers=2)
    for result in engine.stream(start, range(9), lambda done: None):
        address = ray.get_runtime_context().gcs_address
        print(json.dumps([*result, address]), flush=True)
except OnegrainError as error:
    print(type(error).__name__, error)
except KeyboardInterrupt:
    print("interrupted")
assert not ray.is_initialized()
assert signal.getsignal(signal.SIGTERM) == term
"""


def command(address: str, mark: Path, seconds: float = 0.0) -> list[str]:
    return [sys.executable, "-c", STREAM, address, str(mark), str(seconds)]


def test_a_cluster_of_this_machine_is_started_and_ended_without_a_word_by_ctrl_c_too(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("local", tmp_path / "mark", 0.5),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    rows = [json.loads(process.stdout.readline()) for _ in range(5)]
    assert [row[0] for row in rows] == list(range(5))
    assert (tmp_path / "mark").exists(), "a worker was killed, and nothing is said of it"
    family = psutil.Process(process.pid).children(recursive=True)
    assert any("raylet" in member.name() for member in family)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert out.splitlines()[-1] == "interrupted", err
    assert all(line.startswith("[") for line in out.splitlines()[:-1])
    assert err == ""
    assert process.returncode == 0
    assert wait_for(lambda: not any(member.is_running() and member.status() != "zombie" for member in family))


ON_TWO_GPUS = """
import os, ray
from onegrain.engines import engine_named

ray.init("local", num_cpus=2, num_gpus=2, object_store_memory=10**8, log_to_driver=False)

def start():
    import time
    def work(item, advance):
        time.sleep(0.3)
        return os.environ["CUDA_VISIBLE_DEVICES"]
    return work

print(sorted(set(engine_named("ray").stream(start, range(8), lambda done: None))))
"""


@pytest.mark.slow
def test_each_worker_has_one_gpu() -> None:
    """Ray starts with two pretended GPUs and lets each worker see one of them."""
    run = subprocess.run([sys.executable, "-c", ON_TWO_GPUS], capture_output=True, text=True, check=False)
    assert run.stdout.splitlines()[-1] == "['0', '1']", run.stderr


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the address of a running cluster that requires a token, and an environment with the token."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tempfile.mkdtemp(prefix="og-", dir="/tmp")  # the paths of its sockets must be short
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment = {**os.environ, **token, "RAY_USAGE_STATS_ENABLED": "0"}
    environment.pop("RAY_ADDRESS", None)
    head = subprocess.Popen(
        [
            sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={port}",
            "--node-ip-address=127.0.0.1", "--num-cpus=2", "--num-gpus=0", "--object-store-memory=200000000",
            "--include-dashboard=false", f"--temp-dir={folder}", "--disable-usage-stats",
        ],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert head.stdout is not None
    for line in head.stdout:
        if "runtime started" in line:
            break
    yield f"127.0.0.1:{port}", environment
    family = psutil.Process(head.pid).children(recursive=True)
    for process in [psutil.Process(head.pid), *family]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    head.wait(timeout=30)
    psutil.wait_procs(family, timeout=30)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("way", ["argument", pytest.param("environment", marks=pytest.mark.slow)])
def test_a_running_cluster_is_used_and_left_running(
    cluster: tuple[str, dict[str, str]], tmp_path: Path, way: str
) -> None:
    address, environment = cluster
    settings = {
        "argument": (address, environment),
        "environment": ("", {**environment, "RAY_ADDRESS": address}),
    }[way]
    run = subprocess.run(
        command(settings[0], tmp_path / "mark"),
        capture_output=True,
        text=True,
        check=True,
        env=settings[1],
        cwd=tmp_path,
    )
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert [row[0] for row in rows] == list(range(9)), run.stdout
    assert {row[2].rpartition(":")[2] for row in rows} == {address.rpartition(":")[2]}
    socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=5).close()
    assert (tmp_path / "mark").exists()
    assert run.stderr == ""


def test_a_missing_cluster_is_reported_at_once() -> None:
    ray.shutdown()
    for address, reason in (("127.0.0.1:1", "refused"), ("nonsense", "Invalid address")):
        with pytest.raises(EngineError, match=f"{address}: .*{reason}.*ray start --head"):
            list(engine_named("ray", address=address).stream(squares(), [1], print))
    with pytest.raises(ParameterError, match="Ray Client"):
        list(engine_named("ray", address="ray://127.0.0.1:10001").stream(squares(), [1], print))
