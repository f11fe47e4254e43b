from __future__ import annotations

import pytest

from onegrain.core.threads import thread_count


def test_the_number_of_threads_is_that_of_the_environment_if_it_is_smaller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    available = thread_count()
    assert available >= 1
    for text, threads in (("1", 1), ("0", available), ("many", available), ("100000", available)):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert thread_count() == threads
