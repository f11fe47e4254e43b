"""The command ``onegrain``: one file for each verb, each a thin layer over the Python function of the verb."""

from __future__ import annotations

import io
import os
import sys
from functools import cache, partial
from typing import Any

import typer

from onegrain.cli.console import fail
from onegrain.cli.ending import INTERRUPTED, Interrupted, close_quietly, quiet_hooks, split_debug, unforeseen
from onegrain.cli.grouped_help import GroupedCommand, VerbGroup
from onegrain.cli.lazy_commands import LazyCommands, RootGroup, build_verb
from onegrain.cli.method_help import RankCommand
from onegrain.cli.verbs import (
    ablate,
    analyse,
    cards,
    compare,
    constants,
    control,
    convert,
    demo,
    effects,
    explore,
    extract,
    index,
    neuronpedia,
    rank,
    report,
    search,
    show,
    similarity,
    specificity,
    steer,
    study,
    sweep,
    train,
    uniqueness,
)
from onegrain.core.threads import sleep_between_products
from onegrain.errors import AlreadyDoneError, OnegrainError

__all__ = ["command_tree", "main"]

VERBS = (
    demo,
    study,
    extract,
    convert,
    rank,
    compare,
    similarity,
    ablate,
    specificity,
    effects,
    constants,
    uniqueness,
    sweep,
    control,
    steer,
    show,
    cards,
    index,
    search,
    neuronpedia,
    report,
    explore,
)
GROUPS = (train, analyse)

root = VerbGroup(
    name="onegrain",
    cls=RootGroup,
    help="Find, rank, erase and show the individual neurons of language and translation models.",
    no_args_is_help=True,
    add_completion=True,
)


@root.callback()
def options(
    version: bool = typer.Option(False, "--version", "-V", help="Print the version and stop."),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
) -> None:
    """Find, rank, erase and show the individual neurons of language and translation models."""


@cache
def command_tree() -> Any:
    """Return the command ``onegrain``; each of its verbs is built when it is first used."""
    verbs = LazyCommands()
    for verb in VERBS:
        command_class = RankCommand if verb is rank else GroupedCommand
        verbs.add(verb.NAME, verb.run.__doc__ or "", partial(build_verb, verb.NAME, verb.run, command_class))
    for group in GROUPS:
        verbs.add(
            str(group.app.info.name), str(group.app.info.help), partial(typer.main.get_command, group.app)
        )
    command: Any = typer.main.get_command(root)
    command.commands = verbs
    return command


def main() -> None:
    """Run the command line: errors are one line and exit code 1, wrong usage is exit code 2."""
    arguments, debug = split_debug(sys.argv[1:], command_tree())
    if arguments in (["--version"], ["-V"]):
        from onegrain.records.provenance import package_version

        typer.echo(package_version())
        return
    arguments = arguments or ["--help"]
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    sleep_between_products()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with quiet_hooks(debug):
            _run(arguments)
    except (KeyboardInterrupt, SystemExit) as stop:
        if isinstance(stop, SystemExit) and stop.code != INTERRUPTED:
            raise
        kept = "nothing finished is lost, and the same command resumes from there"
        fail(f"interrupted; {stop.remark if isinstance(stop, Interrupted) else kept}", INTERRUPTED)
    except BrokenPipeError:  # the reader of the output closed it, as head does
        close_quietly()
        sys.exit(1)
    except BaseException as error:  # panics of Rust libraries do not inherit from Exception
        if debug:
            raise
        fail(str(error) if isinstance(error, OnegrainError) else unforeseen(error, arguments))


def _run(arguments: list[str]) -> None:
    try:
        command_tree()(args=arguments, prog_name="onegrain")
    except AlreadyDoneError as done:
        sys.stderr.write(f"onegrain: {done}\n")
    finally:
        sys.stdout.flush()
