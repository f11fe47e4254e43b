"""Parts of a computation run in threads, each with its share of torch's threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import torch

from onegrain.core.interruption import Interrupted, check_interruption
from onegrain.rankings.data.side_by_side import side_by_side


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def endless(ended: list[str]) -> Callable[[], str]:
    """A part that ends only when it is told to."""

    def part() -> str:
        try:
            while True:
                check_interruption()
                time.sleep(0.001)
        except Interrupted:
            ended.append(threading.current_thread().name)
            raise

    return part


def test_results_come_in_order_and_every_part_has_its_share_of_the_threads() -> None:
    together = threading.Barrier(2)

    def part(number: int) -> tuple[int, int]:
        together.wait(timeout=60)  # both parts run at once
        return number, torch.get_num_threads()

    assert list(side_by_side([lambda: part(0), lambda: part(1)])) == [(0, 2), (1, 2)]
    assert torch.get_num_threads() == 4
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [4]


def test_no_more_parts_run_at_once_than_torch_has_threads() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def part() -> int:
        nonlocal running, most
        with lock:
            running, most = running + 1, max(most, running + 1)
        time.sleep(0.01)
        with lock:
            running -= 1
        return torch.get_num_threads()

    assert list(side_by_side([part] * 9)) == [1] * 9
    assert most <= 4


def test_with_one_thread_the_parts_run_here_as_their_results_are_taken() -> None:
    torch.set_num_threads(1)
    done: list[str] = []

    def part() -> str:
        done.append(threading.current_thread().name)
        return done[-1]

    results = side_by_side([part, part])
    assert done == []
    assert next(results) == threading.current_thread().name
    assert len(done) == 1
    assert len(list(results)) == 1


def test_an_error_ends_the_other_parts_and_is_raised() -> None:
    ended: list[str] = []

    def failing() -> str:
        raise ValueError("as asked")

    with pytest.raises(ValueError, match="as asked"):
        list(side_by_side([failing, endless(ended)]))
    assert len(ended) <= 1  # it may not have begun
    assert torch.get_num_threads() == 4
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("onegrain-parts")]


def test_a_caller_that_stops_early_ends_the_parts_that_have_begun() -> None:
    ended: list[str] = []
    results = side_by_side([lambda: "first", endless(ended), endless(ended)])
    assert next(results) == "first"
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("onegrain-parts")]
    assert torch.get_num_threads() == 4
