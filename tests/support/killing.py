"""Kill a forked child of this process at a chosen file operation.

A file operation is one that Python reports (open for writing, mkdir, rename, remove, rmdir), or a call of
torch's or safetensors' own writer, killed before it writes and with half of its file written. Forking from a
process that has imported everything reduces the time per kill from ten seconds to one.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import transformers.modeling_utils
import transformers.trainer

from onegrain.errors import AlreadyDoneError

__all__ = ["compare_killed"]

torch.set_num_threads(1)


class Killer:
    """A counter of file operations below a folder that kills this process at one of them."""

    def __init__(self, folder: Path, point: int) -> None:
        self.folder, self.point, self.count, self.active = str(folder), point, 0, True

    def operation(self, path: object, half: bool = False) -> None:
        if not self.active or not os.fspath(path).startswith(self.folder):  # type: ignore[call-overload]
            return
        if self.count == self.point:
            if half:
                os.truncate(path, os.path.getsize(path) // 2)  # type: ignore[call-overload, arg-type]
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str | os.PathLike) and flags & (os.O_WRONLY | os.O_RDWR):
                self.operation(path)
        elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir"):
            path = arguments[0]
            if isinstance(path, str | os.PathLike):
                absolute = os.path.isabs(path)
                self.operation(path if absolute else os.path.join(self.folder, path))

    def wrap(self, save: Callable[..., Any], position: int) -> Callable[..., Any]:
        def saving(*args: Any, **kwargs: Any) -> Any:
            path = args[position] if len(args) > position else kwargs.get("filename")
            self.operation(path)
            result = save(*args, **kwargs)
            self.operation(path, half=True)
            return result

        return saving


def run_killed(work: Callable[[], object], out: Path, point: int, report: Path | None = None) -> int:
    """Work in a child that is killed at a file operation in ``out``, and return the child's exit code."""
    child = os.fork()
    if child == 0:
        killer = Killer(out, point)
        sys.addaudithook(killer.hook)
        torch.save = killer.wrap(torch.save, 1)
        saver = killer.wrap(safetensors.torch.save_file, 1)
        transformers.modeling_utils.safe_save_file = saver  # type: ignore[attr-defined]
        try:
            with contextlib.suppress(AlreadyDoneError):
                work()
        except BaseException as error:
            sys.stderr.write(f"point {point}: {type(error).__name__}: {error}\n")
            os._exit(1)
        killer.active = False
        if report is not None:
            report.write_text(str(killer.count))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def content(out: Path) -> dict[str, bytes]:
    """Return the bytes of every file in a folder, or of one file."""
    paths = sorted(out.parent.rglob(f"*{out.stem}*")) if not out.is_dir() else sorted(out.rglob("*"))
    return {str(path.relative_to(out.parent)): path.read_bytes() for path in paths if path.is_file()}


def compare_killed(work: Callable[[Path], object], base: Path, name: str, step: str) -> None:
    """Work once without a kill, then with a kill at every ``step``-th point and a repeat; print what differs.

    Args:
        work: called with the path that it writes.
        base: a folder for the outputs.
        name: name of the output, which is in one folder per point.
        step: distance between the points, in file operations.
    """
    straight = base / "straight" / name
    straight.parent.mkdir()
    assert run_killed(lambda: work(straight), straight.parent, -1, base / "count") == 0
    operations = int((base / "count").read_text())
    expected = content(straight.parent)
    points = range(int(step) // 2, operations, int(step))
    wrong = []
    for point in points:
        out = base / f"killed-{point}" / name
        out.parent.mkdir()
        killed = run_killed(lambda out=out: work(out), out.parent, point)  # type: ignore[misc]
        resumed = run_killed(lambda out=out: work(out), out.parent, -1)  # type: ignore[misc]
        files = {key.replace(out.parent.name, "straight"): value for key, value in content(out.parent).items()}
        if killed != -signal.SIGKILL or resumed != 0 or files != expected:
            wrong.append(point)
            names = [key for key in {**files, **expected} if files.get(key) != expected.get(key)]
            sys.stderr.write(f"point {point}: {killed}, {resumed}, {names}\n")
    print(json.dumps({"operations": operations, "killed": len(points), "wrong": wrong}))
