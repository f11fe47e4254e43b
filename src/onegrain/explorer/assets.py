"""The explorer's static files: its own, and those of npm that ``make frontend`` fetches."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from onegrain.errors import MissingExtraError
from onegrain.reports.rendering.levels import level_rules
from onegrain.reports.rendering.templates import source

__all__ = ["Asset", "asset", "require_assets"]

STATIC = Path(__file__).parent / "static"
VENDORED = ("htmx.min.js", "hx-csp.min.js", "hx-sse.min.js", "vega.min.js", "vega-interpreter.js")
STYLE = "explorer.css"
STYLES = (STYLE, "neuron.css")
OWN = ("explorer.js", "charts.js", "vega-util.js")
TYPES = {".js": "text/javascript", ".css": "text/css"}


@dataclass(frozen=True)
class Asset:
    """A static file.

    Attributes:
        name: its name in addresses.
        content: its bytes.
        media_type: its media type.
        integrity: its SHA-384 as subresource integrity writes it.
    """

    name: str
    content: bytes
    media_type: str
    integrity: str

    @property
    def address(self) -> str:
        """The address, which holds the beginning of the hash, so that a browser may keep the file for ever."""
        return f"/static/{self.name}?v={hashlib.sha256(self.content).hexdigest()[:12]}"


@cache
def asset(name: str) -> Asset | None:
    """Return a static file by its name, or None if the explorer serves none of that name."""
    if name == STYLE:
        sheets = [(STATIC / sheet).read_text("utf-8") for sheet in STYLES]
        parts = [*sheets, source("drawings.css"), level_rules()]
        content = "\n".join(parts).encode()
    elif name in OWN:
        content = (STATIC / name).read_bytes()
    elif name in VENDORED:
        content = (STATIC / "vendor" / name).read_bytes()
    else:
        return None
    digest = base64.b64encode(hashlib.sha384(content).digest()).decode()
    return Asset(name, content, TYPES[Path(name).suffix], f"sha384-{digest}")


def require_assets() -> None:
    """Check that the front-end files of npm are there.

    Raises:
        MissingExtraError: this is a checkout without them.
    """
    missing = [name for name in VENDORED if not (STATIC / "vendor" / name).is_file()]
    if missing:
        raise MissingExtraError(
            f"the explorer's front-end files are not here ({', '.join(missing)}); fetch them: make frontend"
        )
