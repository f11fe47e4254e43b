"""Test work in the processes of a real Ray cluster on this machine."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
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
