"""Kill a command at operations on files all over its run, repeat it until it is through, and compare all bytes.

::

    python tests/kill/harness.py --kills 50 extract train rank study ablate   # what `make kill` runs
    python tests/kill/harness.py --kills 5 rank                               # a quick look
    python tests/kill/harness.py --kills 50 --keep /tmp/look train            # keeps what differs

Prints a table, one row per command: how many operations on files the undisturbed run makes (``counting.py``),
at how many of them it was killed, how many of the repeated runs ended with the same bytes, and how many
temporary files were left lying about; then what went wrong, a line each. The exit code is 1 if anything did.

Every run is a fork of one process that has imported everything, so a kill and its repetition take a second or
two and not the time that it takes to load torch. Workers of ``--workers`` are not killed: their parent is.

Another command is one more entry in ``COMMANDS``: a function that takes a Workplace and a folder, and returns
the arguments of ``onegrain`` with which all output goes into that folder. The same command is repeated without
``--force`` until it exits with code 0, three times at most.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ |= {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from counting import Counter  # noqa: E402

from support.studies import SANDBOX_STUDY, write_study  # noqa: E402

REPEATS = 3
LETTERS = [
    "the dog sees a cat",
    "the cat sleeps",
    "a bird sings in the old tree",
    "dogs and cats run",
    "we see it",
]


class Workplace:
    """A folder with a small model, texts, a store and a ranking for the commands to work on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{LETTERS[number % 5]} {LETTERS[(number * 7 + 3) % 5]}" for number in range(60)]
        self.text = self.folder / "words.txt"
        self.text.write_text("\n".join(lines) + "\n")
        self.study = write_study(self.folder, SANDBOX_STUDY.replace("epochs = 1", "epochs = 2"))
        self.model = self.folder / "model"
        self.store = self.folder / "words.zarr"
        self.ranking = self.folder / "std.parquet"
        run(self, self._training(self.model))
        run(self, ["extract", str(self.model), str(self.text), "--format", "plain", "--out", str(self.store)])
        run(self, ["rank", "std", str(self.store), "--out", str(self.ranking)])

    def _training(self, out: Path) -> list[str]:
        sizes = {"--epochs": 3, "--vocab-size": 60, "--hidden-size": 8, "--layers": 1, "--batch-size": 16}
        options = [str(part) for pair in sizes.items() for part in pair]
        return [
            "train",
            "nlm",
            "--text",
            str(self.text),
            "--valid",
            str(self.text),
            "--out",
            str(out),
            *options,
        ]


def extract(place: Workplace, out: Path) -> list[str]:
    """A store of all sites."""
    return ["extract", str(place.model), str(place.text), "--format", "plain", "--out", str(out / "a.zarr")]


def train(place: Workplace, out: Path) -> list[str]:
    """A model of three epochs."""
    return place._training(out / "model")


def rank(place: Workplace, out: Path) -> list[str]:
    """Two rankings of one command, in a folder."""
    return ["rank", "std,random", str(place.store), "--out", str(out / "rankings")]


def study(place: Workplace, out: Path) -> list[str]:
    """A study with every kind of step that takes seconds."""
    return ["study", str(place.study), "--out", str(out / "study")]


def ablate(place: Workplace, out: Path) -> list[str]:
    """A curve of perplexity."""
    options = [
        "--metric",
        "perplexity",
        "--steps",
        "2",
        "--random-orders",
        "1",
        "--out",
        str(out / "a.parquet"),
    ]
    return ["ablate", str(place.model), str(place.ranking), str(place.text), *options]


COMMANDS: dict[str, Callable[[Workplace, Path], list[str]]] = {
    "extract": extract,
    "train": train,
    "rank": rank,
    "study": study,
    "ablate": ablate,
}


@dataclass
class Result:
    """What came of killing one command.

    Attributes:
        command: its name.
        operations: on files, in an undisturbed run.
        kills: runs that SIGKILL ended.
        identical: of these, how many ended with the same bytes once the command was repeated.
        leftovers: names of files and folders that only interrupted runs leave.
        problems: faults, one line each.
    """

    command: str
    operations: int = 0
    kills: int = 0
    identical: int = 0
    leftovers: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def preload() -> None:
    """Import what the commands need, so that forks need not."""
    import importlib

    from onegrain.rankings.registry import BUILT_IN

    rooms = ("cli", "models", "activations", "rankings", "interventions", "studies", "reports", "analyses")
    for module in (*(f"onegrain.{room}" for room in rooms), "zarr", "transformers.trainer", "accelerate"):
        importlib.import_module(module)
    for method in BUILT_IN.values():
        importlib.import_module(method.partition(":")[0])


def run(place: Workplace, arguments: list[str], kill_at: int = -1) -> tuple[int, int, str]:
    """Run ``onegrain`` in a fork; return its exit code, how many operations it made, and its errors."""
    counted, said = place.folder / "counted", place.folder / "said"
    counted.write_text("0")
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _become_command(place.folder / "outputs", arguments, kill_at, (counted, said))
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    errors = said.read_text(errors="replace")
    if kill_at < 0 and ended and "/outputs/" not in " ".join(arguments):
        raise RuntimeError(f"{' '.join(arguments)}\n{errors}")
    return ended, int(counted.read_text()), errors


def _become_command(folder: Path, arguments: list[str], kill_at: int, notes: tuple[Path, Path]) -> NoReturn:
    """Do in a fork what the command line does, and end the fork."""
    counted, said = notes
    code = 1
    try:
        descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        from onegrain.cli import main as command

        counter = Counter(folder, kill_at)
        counter.install()
        sys.argv = ["onegrain", *arguments]
        try:
            command()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        counted.write_text(str(counter.seen))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, and every empty folder, by its path."""
    files: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            files[path.relative_to(folder).as_posix()] = path.read_bytes()
        elif path.is_dir() and not any(path.iterdir()):
            files[path.relative_to(folder).as_posix() + "/"] = b""
    return files


def spread(operations: int, kills: int) -> list[int]:
    """The numbers of operations to kill at: all of them, or as many as asked, evenly spread with both ends."""
    if operations <= kills:
        return list(range(operations))
    return sorted({round(number * (operations - 1) / max(1, kills - 1)) for number in range(kills)})


def try_kills(place: Workplace, name: str, kills: int, keep: Path | None = None) -> Result:
    """Kill one command at spread operations, repeat it, and compare with an undisturbed run."""
    result = Result(name)
    outputs = place.folder / "outputs"
    out = outputs / name
    shutil.rmtree(outputs, ignore_errors=True)
    out.mkdir(parents=True)
    arguments = COMMANDS[name](place, out)
    code, result.operations, errors = run(place, arguments)
    if code:
        result.problems.append(f"the undisturbed run ended with {code}: {_last(errors)}")
        return result
    expected = content(out)
    for number in spread(result.operations, kills):
        shutil.rmtree(out)
        out.mkdir()
        _try_one(place, result, arguments, number, (out, expected))
        if keep is not None and result.problems and not keep.exists():
            shutil.copytree(out, keep, symlinks=True)
    shutil.rmtree(outputs)
    return result


def _try_one(
    place: Workplace, result: Result, arguments: list[str], number: int, against: tuple[Path, dict[str, bytes]]
) -> None:
    out, expected = against
    code, _, errors = run(place, arguments, kill_at=number)
    if code != -signal.SIGKILL:
        result.problems.append(f"operation {number}: not killed, but ended with {code}: {_last(errors)}")
        return
    result.kills += 1
    for _ in range(REPEATS):
        code, _, errors = run(place, arguments)
        if code == 0:
            break
    after = content(out)
    differing = sorted(key for key in expected.keys() | after.keys() if expected.get(key) != after.get(key))
    result.leftovers += [key for key in after.keys() - expected.keys() if ".partial-" in key]
    if code:
        result.problems.append(f"operation {number}: repeated, it ended with {code}: {_last(errors)}")
    elif differing:
        result.problems.append(f"operation {number}: {len(differing)} files differ: {', '.join(differing[:3])}")
    else:
        result.identical += 1


def _last(errors: str) -> str:
    return (errors.strip().splitlines() or [""])[-1][:300]


def main() -> None:
    """See the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commands", nargs="*", default=list(COMMANDS), help=", ".join(COMMANDS))
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--keep", type=Path, default=None, help="where to copy the first output that differs")
    options = parser.parse_args()
    failed = False
    preload()
    with tempfile.TemporaryDirectory(prefix="onegrain-kill-") as folder:
        place = Workplace(Path(folder))
        print(
            "| command | operations | kills | identical | leftovers |\n| --- | --- | --- | --- | --- |",
            flush=True,
        )
        for name in options.commands:
            result = try_kills(place, name, options.kills, options.keep)
            row = (name, result.operations, result.kills, result.identical, len(result.leftovers))
            print("| " + " | ".join(map(str, row)) + " |", flush=True)
            for problem in result.problems:
                print(f"  {name}: {problem}", flush=True)
            failed |= bool(result.problems) or bool(result.leftovers)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
