"""The build hook: a wheel carries the explorer's front-end files, which are fetched when it is built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VENDOR = "src/onegrain/explorer/static/vendor"


class FrontendHook(BuildHookInterface):
    """Fetch the front-end files before a wheel is built; an editable install takes them from the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Run ``frontend/vendor.py`` unless the files are there or the install is editable."""
        if version == "editable":
            return
        root = Path(self.root)
        if not (root / VENDOR / "versions.json").is_file():
            subprocess.run([sys.executable, str(root / "frontend" / "vendor.py")], check=True)
        build_data["artifacts"].append(f"{VENDOR}/*")
