"""Run benchmarks, each in a separate environment: ``python benchmarks/run.py [NAME ...]``, or all.

A benchmark is a file here with comment lines at its head: ``# peers:`` names what it needs besides onegrain,
pinned, and ``# what:`` says what it measures. Peers are installed without their dependencies, because the pins
of some no longer install; those that ``# peers with dependencies:`` names are installed with them, within the
pins of ``constraints.txt``. ``# may fail:`` names more, one line installed after the other; where they cannot
be, the benchmark runs all the same and says what is missing. Its last line is one JSON object:
``{"name", "ratios", "figures"}``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


def headers(script: Path, key: str) -> list[str]:
    lines = script.read_text(encoding="utf-8").splitlines()
    return [line.split(":", 1)[1].strip() for line in lines if line.startswith(f"# {key}:")]


def header(script: Path, key: str) -> str:
    for line in headers(script, key):
        return line
    raise SystemExit(f"{script.name} has no line '# {key}:' at its head")


def environment(script: Path) -> Path:
    """Return the benchmark's Python, whose environment is created if it is missing or out of date."""
    folder = ROOT / ".venv-bench" / script.stem
    python, stamp = folder / "bin" / "python", folder / ".installed"
    sources = [script, ROOT / "pyproject.toml", ROOT / "constraints.txt"]
    if stamp.is_file() and stamp.stat().st_mtime > max(source.stat().st_mtime for source in sources):
        return python
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    install = [python, "-m", "pip", "install", "--quiet"]
    pinned = [*install, "--constraint", ROOT / "constraints.txt"]
    subprocess.run([*pinned, "torch==2.13.0"], check=True)
    subprocess.run([*pinned, "--editable", ROOT], check=True)
    peers = header(script, "peers").split()
    if peers:
        subprocess.run([*install, "--no-deps", *peers], check=True)
    for more in headers(script, "peers with dependencies"):
        subprocess.run([*pinned, *more.split()], check=True)
    for more in headers(script, "may fail"):
        subprocess.run([*install, "--no-deps", *more.split()], check=False)
    stamp.touch()
    return python


def main(names: list[str]) -> int:
    scripts = {path.stem: path for path in sorted(HERE.glob("[a-z]*.py")) if path.name != "run.py"}
    unknown = sorted(set(names) - set(scripts))
    if unknown:
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; the benchmarks are: {', '.join(scripts)}\n")
        return 2
    failed = 0
    for name in names or list(scripts):
        sys.stderr.write(f"{name}: {header(scripts[name], 'what')}\n")
        done = subprocess.run([environment(scripts[name]), scripts[name]], env={**os.environ}, check=False)
        failed += done.returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
