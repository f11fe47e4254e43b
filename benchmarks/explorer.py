"""The explorer's real server on two large synthetic stores: how fast pages are, and what the server takes."""

# peers:
# peers with dependencies: fastapi uvicorn
# what: pages of 200,000 words x 10,000 neurons and of 20,000 words x 46,080 neurons, asked by four clients

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from html import unescape
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np
import psutil
from _searching import CONCEPTS, SIZES, measure_index, measure_search, write_synthetic

import onegrain as og
from onegrain.records.ranking import Ranking

SHARE = float(os.environ.get("ONEGRAIN_BENCH_SHARE", "1"))
REQUESTS = int(os.environ.get("ONEGRAIN_BENCH_REQUESTS", "150"))
CLIENTS = 4
STARTS = 5
LATER = re.compile(r'hx-get="([^"]+)"[^>]*hx-trigger="load')
STATIC = re.compile(r'(?:src|href)="(/static/[^"]+)"')
ROOT = Path(__file__).resolve().parent.parent


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def make_folder(folder: Path) -> dict[str, dict[str, float]]:
    """Write both stores with their indexes and two rankings each; return what indexing and searching took."""
    figures = {}
    for name, (words, sites) in SIZES.items():
        words = max(2000, int(words * SHARE))
        sites = tuple((site, max(50, int(width * SHARE))) for site, width in sites)
        needed = 4 * words * sum(width for _, width in sites) * 1.4
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise SystemExit(
                f"{folder} has {free / 2**30:.1f} GiB free; the store {name} needs {needed / 2**30:.1f}"
            )
        path = folder / f"{name}.zarr"
        say(f"writing {words} words x {sum(width for _, width in sites)} neurons")
        write_synthetic(path, words, sites)
        store = og.open_activations(path)
        rng = np.random.default_rng(1)
        labels = tuple(f"L{number}" for number in range(17))
        for number in range(2):
            scores = rng.random(store.n_neurons)
            provenance = store.provenance.model_copy(update={"stage": "rank"})
            table = rng.random((len(labels), store.n_neurons))
            Ranking.by_scores(
                "probeless", store.space, scores, provenance, layer="upos", labels=labels, label_scores=table
            ).save(folder / f"{name}-{number}.parquet")
        say("indexing and searching")
        figures[name] = {**measure_index(path), **measure_search(path)}
    return figures


class Server:
    """The process of ``onegrain explore``.

    Attributes:
        seconds: from the start of the process to the last byte of the first page.
    """

    def __init__(self, folder: Path) -> None:
        # a benchmark in the background of a shell hands down that SIGINT is ignored
        program = (
            "import signal, onegrain.cli as cli; "
            "signal.signal(signal.SIGINT, signal.default_int_handler); cli.main()"
        )
        start = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, "explore", "--no-browser", "--port", "0", str(folder)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split()[-1]
        self.parts = urlsplit(self.url)
        Client(self).get("/overview")
        self.seconds = time.perf_counter() - start

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)


@dataclass
class Answer:
    """An answer: seconds, status, ETag, bytes over the wire, and the text."""

    seconds: float
    status: int
    etag: str
    wire: int
    text: str


class Client:
    """A visitor with one connection."""

    def __init__(self, server: Server) -> None:
        self.connection = HTTPConnection(server.parts.hostname, server.parts.port, timeout=600)

    def get(self, address: str, etag: str = "") -> Answer:
        headers = {"Accept-Encoding": "gzip", **({"If-None-Match": etag} if etag else {})}
        start = time.perf_counter()
        self.connection.request("GET", address, headers=headers)
        response = self.connection.getresponse()
        content = response.read()
        seconds = time.perf_counter() - start
        packed = response.getheader("Content-Encoding") == "gzip"
        text = (gzip.decompress(content) if packed else content).decode("utf-8", "replace")
        return Answer(seconds, response.status, response.getheader("ETag") or "", len(content), text)

    def whole(self, address: str) -> list[Answer]:
        """Return the answers of an address and of the fragments that it loads, until none is left."""
        answers, waiting = [], [address]
        while waiting:
            answer = self.get(waiting.pop())
            answers.append(answer)
            waiting += [unescape(target) for target in LATER.findall(answer.text)]
        return answers


@dataclass
class Load:
    """What the clients asked and how long each answer took."""

    seconds: list[float] = field(default_factory=list)
    slowest: dict[str, float] = field(default_factory=dict)
    again: int = 0
    unchanged: int = 0
    failed: list[str] = field(default_factory=list)

    def add(self, address: str, answer: Answer, repeated: Answer | None) -> None:
        if answer.status != 200:
            self.failed.append(f"{answer.status} {address}")
        self.seconds.append(answer.seconds)
        page = urlsplit(address).path
        self.slowest[page] = max(self.slowest.get(page, 0.0), answer.seconds)
        if repeated is not None:
            self.again += 1
            self.unchanged += repeated.status == 304


def addresses(name: str, store: og.Activations, rng: np.random.Generator) -> list[str]:
    """Return pages, fragments and files of one store in random states."""
    neurons = [store.space.name(number) for number in rng.integers(0, store.n_neurons, 4).tolist()]
    shared = [("store", name), ("pin", neurons[0]), ("pin", neurons[1])]
    label = f"L{rng.integers(17)}"
    sentences = store.corpus.n_sentences

    def page(path: str, **values: object) -> str:
        return f"/{path}?{urlencode([*shared, *values.items()])}"

    ranking = f"{name}-{rng.integers(2)}"
    return [
        page("overview"),
        page("rankings", ranking=ranking),
        page(
            "rankings",
            ranking=ranking,
            label=label,
            page=int(rng.integers(1, 1 + min(20, store.n_neurons // 50))),
        ),
        page("rankings.json", ranking=ranking),
        page("neuron", neuron=neurons[2]),
        page("neuron", neuron=neurons[3], ranking=ranking),
        page("neuron.json", neuron=neurons[2]),
        page("neuron/figure/histogram.csv", neuron=neurons[2]),
        page("neuron/figure/histogram.svg", neuron=neurons[3]),
        page("neuron/embed/histogram", neuron=neurons[3]),
        page("text", page=int(rng.integers(1, sentences // 20))),
        page("text", sentence=int(rng.integers(sentences)), layer="upos"),
        page("text.json", sentence=int(rng.integers(sentences))),
        page("search"),
        page("compare"),
        page("edit"),
        page("sweep"),
    ]


def visit(server: Server, stores: dict[str, og.Activations], seed: int, requests: int, load: Load) -> None:
    """Ask pages in random states, and each a second time with its ETag."""
    client, rng = Client(server), np.random.default_rng(seed)
    while requests > 0:
        for name, store in stores.items():
            for address in addresses(name, store, rng):
                answer = client.get(address)
                repeated = client.get(address, answer.etag) if answer.etag else None
                load.add(address, answer, repeated)
                for target in LATER.findall(answer.text):
                    fragment = unescape(target)
                    # the result of an edit needs the model, which no synthetic store has
                    if not fragment.startswith("/edit-result"):
                        load.add(fragment, client.get(fragment), None)
                requests -= 1


def measure_pages(server: Server, stores: dict[str, og.Activations]) -> dict[str, object]:
    """Return the percentiles of four clients after a warm-up, the share of 304, and the peak memory."""
    visit(server, stores, 99, 1, Load())
    load = Load()
    threads = [
        threading.Thread(target=visit, args=(server, stores, seed, REQUESTS, load)) for seed in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = 1e3 * np.array(load.seconds)
    return {
        "requests": len(spent),
        "p50_ms": float(np.percentile(spent, 50)),
        "p95_ms": float(np.percentile(spent, 95)),
        "p99_ms": float(np.percentile(spent, 99)),
        "slowest_ms": {page: 1e3 * value for page, value in sorted(load.slowest.items())},
        "share_304": load.unchanged / max(1, load.again),
        "failed": sorted(set(load.failed))[:20],
    }


def measure_search_page(server: Server, stores: dict[str, og.Activations]) -> dict[str, float]:
    """Return the seconds until the page of each search shows its result."""
    client, seconds = Client(server), {}
    for store in stores:
        for concept, values in CONCEPTS.items():
            named = {
                key: " ".join(value) if isinstance(value, list) else value for key, value in values.items()
            }
            start = time.perf_counter()
            client.whole(f"/search?{urlencode({'store': store, **named})}")
            seconds[f"{store}: {concept}"] = time.perf_counter() - start
    return seconds


def measure_sizes(server: Server, stores: dict[str, og.Activations]) -> dict[str, float]:
    """Return the KiB over the wire of each page with its fragments, style and scripts, but without Vega."""
    client, sizes = Client(server), {}
    for name, store in stores.items():
        for address in addresses(name, store, np.random.default_rng(5)):
            path = urlsplit(address).path
            if "." in path or "/" in path[1:]:
                continue
            answers = client.whole(address)
            files = {target for target in STATIC.findall(answers[0].text) if "vega" not in target}
            wire = sum(answer.wire for answer in answers) + sum(client.get(target).wire for target in files)
            sizes[path] = max(sizes.get(path, 0.0), wire / 2**10)
    return sizes


def main() -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("ONEGRAIN_BENCH_DIR")) as place:
        folder = Path(place)
        figures: dict[str, object] = dict(make_folder(folder))
        stores = {name: og.open_activations(folder / f"{name}.zarr") for name in SIZES}
        say("starting the server")
        starts = []
        for _ in range(STARTS):
            server = Server(folder)
            starts.append(server.seconds)
            server.stop()
        server = Server(folder)
        try:
            process = psutil.Process(server.process.pid)
            say("four clients")
            figures["pages"] = pages = measure_pages(server, stores)
            say("searches")
            figures["searches"] = searches = measure_search_page(server, stores)
            figures["page_kib"] = sizes = measure_sizes(server, stores)
            memory = process.memory_full_info()
            figures["memory_gib"] = {"rss": memory.rss / 2**30, "private": memory.uss / 2**30}
        finally:
            server.stop()
    ratios = {
        "p95_ms": pages["p95_ms"],
        "search_s": max(searches.values()),
        "start_s": float(np.median(starts)),
        "rss_gib": figures["memory_gib"]["rss"],
        "page_kib": max(sizes.values()),
    }
    figures |= {"share": SHARE, "clients": CLIENTS, "starts_s": starts, "cores": os.cpu_count()}
    print(json.dumps({"name": "explorer", "ratios": ratios, "figures": figures}))


if __name__ == "__main__":
    main()
