"""Run as a script by the tests of stores at a URL: writers of a store at a URL, in separate processes.

``hold URL`` holds the store until it is killed. ``begin URL`` takes it when it is told to and says ``writing``
or ``refused``. ``runs MODEL`` extracts to each URL that it is told, in a fork: it prints the fork's process,
begins when it is told ``go``, and prints how the fork ended.
"""

from __future__ import annotations

import os
import sys

import s3fs  # noqa: F401  (so that no fork has to import it)

from onegrain.activations.store.places.locate import folder_at
from onegrain.errors import OutputExistsError


def hold(url: str) -> None:
    folder_at(url).hold()
    print("holding", flush=True)
    sys.stdin.read()


def begin(url: str) -> None:
    folder = folder_at(url)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        release = folder.hold()
    except OutputExistsError:
        print("refused", flush=True)
        return
    print("writing", flush=True)
    sys.stdin.read()
    release()


def runs(path: str) -> None:
    import onegrain.activations.store.layout as layout
    from onegrain.activations import extract
    from onegrain.activations.extraction import extract as extraction
    from onegrain.models import load_model
    from support.tiny import plain_corpus

    model = load_model(path)
    layout.MOST_ROWS = 20
    extraction.READ_BYTES = 1
    while url := sys.stdin.readline().strip():
        child = os.fork()
        if child == 0:
            code = 1
            try:
                sys.stdin.readline()
                extract(model, plain_corpus(), url)
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(child, flush=True)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(ended, flush=True)


if __name__ == "__main__":
    {"hold": hold, "begin": begin, "runs": runs}[sys.argv[1]](sys.argv[2])
