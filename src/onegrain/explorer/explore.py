"""Start the explorer, from the command line or from Python."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
import webbrowser
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any

from onegrain.errors import MissingExtraError, OnegrainError, ParameterError

__all__ = ["RunningExplorer", "explore"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
START_SECONDS = 30.0
STOP_SECONDS = 10


class RunningExplorer:
    """An explorer that serves pages from a thread of this process until it is stopped.

    It is a context manager that stops at the end of the block.

    Attributes:
        url: the address to open; it carries the token if the explorer listens beyond this machine.
    """

    def __init__(self, server: Any, thread: threading.Thread, work: Any, url: str) -> None:
        self._server = server
        self._work = work
        self._thread = thread
        self.url = url

    def stop(self) -> None:
        """Stop serving, and return once running work has kept what it finished."""
        self._work.stop()  # first, so that streams to browsers end
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS)

    def wait(self) -> None:
        """Return when the explorer has stopped."""
        while self._thread.is_alive():
            self._thread.join(0.5)

    def __enter__(self) -> RunningExplorer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _repr_html_(self) -> str:
        from html import escape

        return f'<a href="{escape(self.url)}">{escape(self.url)}</a>'


def explore(
    *places: str | os.PathLike[str],
    title: str | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    hosts: tuple[str, ...] = (),
    open_browser: bool = False,
    notify: Callable[[str], None] = lambda line: None,
) -> RunningExplorer:
    """Serve the records, stores and models of some places as a web application, and return at once.

    In a notebook::

        explorer = og.explore("demo-out")
        explorer            # shows the address
        explorer.stop()

    Args:
        places: folders, which are searched, and records, stores and models one by one; also the TOML files of
            studies, on whose parallel corpora translation models are measured.
        title: the title of the pages; by default the name of the first place.
        host: the address to listen on. Any but a loopback address needs a token, which ``url`` carries.
        port: the port; 0 takes a free one.
        hosts: further names under which the explorer answers, such as the name of this machine.
        open_browser: open the address in the browser.
        notify: called with one line for each file that cannot be shown.

    Raises:
        MissingExtraError: FastAPI or the front-end files are not installed.
        ParameterError: there is nothing to show, or the address cannot be used.
    """
    try:
        import uvicorn

        from onegrain.explorer.app import create_app
    except ImportError as error:
        raise MissingExtraError(
            f"the explorer needs {error.name}; install it with: pip install 'onegrain[explore]'"
        ) from error
    from onegrain.explorer.assets import require_assets
    from onegrain.explorer.collecting import collect
    from onegrain.explorer.settings import Settings

    require_assets()
    collection = collect(places, title)
    for line in collection.left_out:
        notify(line)
    settings = Settings()
    is_local = host in LOOPBACK
    token = "" if is_local else secrets.token_urlsafe(24)
    settings = replace(settings, token=token, hosts=(*settings.hosts, *hosts, *(() if is_local else (host,))))
    listener = _listener(host, port)
    app = create_app(collection, settings)
    config = uvicorn.Config(
        app, log_level="warning", timeout_graceful_shutdown=STOP_SECONDS, server_header=False
    )
    server = uvicorn.Server(config)
    # signals belong to the caller: a thread cannot take them
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, daemon=True, name="onegrain explorer"
    )
    thread.start()
    _wait_for_start(server, thread)
    name = f"[{host}]" if ":" in host else host
    url = f"http://{name}:{listener.getsockname()[1]}/" + (f"?token={token}" if token else "")
    if open_browser:
        webbrowser.open(url)
    return RunningExplorer(server, thread, app.state.work, url)


def _listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    Raises:
        ParameterError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ParameterError(
            f"cannot listen on {host} port {port}: {error}; choose another with --host and --port"
        ) from error
    return listener


def _wait_for_start(server: Any, thread: threading.Thread) -> None:
    """Return once the server answers.

    Raises:
        OnegrainError: it ended before, or did not start in half a minute.
    """
    end = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > end:
            raise OnegrainError("the explorer's server did not start; the log above says why")
        time.sleep(0.01)
