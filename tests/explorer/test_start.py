"""The explorer starts fast: what only some pages need is imported by them."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "torch",
    "transformers",
    "sacrebleu",
    "altair",
    "scipy.stats",
    "onegrain.models",
    "onegrain.interventions",
)


def test_the_application_loads_no_library_of_models_charts_or_tests() -> None:
    code = f"import sys, onegrain.explorer.app; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
