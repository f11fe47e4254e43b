"""``onegrain explore``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.console import progress
from onegrain.errors import ParameterError

NAME = "explore"
DEMO = Path("demo-out")


def run(
    places: Annotated[
        list[str] | None,
        typer.Argument(
            help="Folder of a study, and its TOML file for its parallel corpora; or records, stores and models."
        ),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Show the demo's records in demo-out; make them first if need be.")
    ] = False,
    title: Annotated[str | None, typer.Option(help="Title of the page.")] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own needs the printed token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8765,
    host_name: Annotated[
        list[str] | None, typer.Option(help="Further name under which the explorer answers.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the address in the browser.")] = True,
) -> None:
    """Look at neurons, erase and steer them in the browser; Ctrl-C stops."""
    from onegrain.core.text import visible
    from onegrain.explorer import explore

    if demo and places:
        raise ParameterError("--demo shows the demo's records; leave the places out, or leave --demo out")
    if demo:
        _make_demo()

    def notify(line: str) -> None:
        sys.stderr.write(f"left out: {visible(line)}\n")

    running = explore(
        *(places or []) if not demo else [DEMO],
        title=title,
        host=host,
        port=port,
        hosts=tuple(host_name or ()),
        open_browser=browser,
        notify=notify,
    )
    print(f"onegrain explorer: {running.url}", flush=True)
    try:
        running.wait()
    except KeyboardInterrupt:
        running.stop()


def _make_demo() -> None:
    """Run the demo study unless its records are there."""
    from onegrain.studies.run import demo_study, walk_study

    if not (DEMO / "report.html").is_file():
        walk_study(demo_study(), DEMO, workers=2, progress=progress())
