"""The explorer starts fast: what only a running model needs is imported when a model runs."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "transformers", "sacrebleu", "onegrain.models", "onegrain.interventions")


def test_the_application_loads_no_model_library() -> None:
    code = f"import sys, onegrain.explorer.app; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
