"""The command ``onegrain``: one file a verb, each thin over the Python API of the same name."""

from __future__ import annotations

import os
import sys

import typer

from onegrain.cli import (
    ablate,
    analyse,
    cards,
    compare,
    convert,
    demo,
    extract,
    neuronpedia,
    rank,
    report,
    show,
    study,
    train,
)
from onegrain.cli.console import fail
from onegrain.errors import AlreadyDoneError, OnegrainError

__all__ = ["app", "main"]

INTERRUPTED = 130

app = typer.Typer(
    name="onegrain",
    help="Find, rank, erase and show the individual neurons of language and translation models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for verb in (demo, study, extract, convert, rank, compare, ablate, show, cards, neuronpedia, report):
    app.command(verb.NAME)(verb.run)
app.add_typer(train.app, name="train")
app.add_typer(analyse.app, name="analyse")


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
) -> None:
    """Find, rank, erase and show the individual neurons of language and translation models."""


def main() -> None:
    """Run the command line: errors are one line and exit code 1, wrong usage is exit code 2."""
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    if arguments == ["--version"]:
        from onegrain.core.provenance import package_version

        typer.echo(package_version())
        return
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        app(args=arguments, prog_name="onegrain")
    except AlreadyDoneError as done:
        sys.stderr.write(f"onegrain: {done}\n")
    except OnegrainError as error:
        if debug:
            raise
        fail(str(error))
    except (KeyboardInterrupt, SystemExit) as stop:
        if isinstance(stop, SystemExit) and stop.code != INTERRUPTED:
            raise
        fail("interrupted; nothing finished is lost, and the same command goes on from there", INTERRUPTED)
