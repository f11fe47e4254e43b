from __future__ import annotations

import os

import pytest

from onegrain.core.threads import sleep_between_products, thread_count


def test_the_number_of_threads_is_that_of_the_environment_if_it_is_smaller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    available = thread_count()
    assert available >= 1
    for text, threads in (("1", 1), ("0", available), ("many", available), ("100000", available)):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert thread_count() == threads


def test_threads_sleep_soon_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, expected in (
        ({}, "5000"),
        ({"GOMP_SPINCOUNT": "5"}, "5"),
        ({"OMP_WAIT_POLICY": "active"}, None),
    ):
        for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
            monkeypatch.delenv(name, raising=False)
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        sleep_between_products()
        assert os.environ.get("GOMP_SPINCOUNT") == expected
