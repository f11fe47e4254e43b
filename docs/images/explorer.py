"""Take the pictures of the explorer in this folder: ``python docs/images/explorer.py FOLDER``.

The folder is that of a finished study, such as ``demo-out``. Chromium is driven by Playwright; each picture is
stored as WebP.
"""

from __future__ import annotations

import base64
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

from playwright.sync_api import sync_playwright

import onegrain as og
from onegrain.explorer.collection import Collection, collect

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT, SCALE = 1280, 800, 1.5
LOADED = "() => !document.querySelector('.later, .htmx-request')"
QUALITY = 82


def states(collection: Collection) -> dict[str, tuple[str, str]]:
    """Return the theme and the address of each picture, with the best neurons of a probe."""
    probes = [entry for entry in collection.of_kind("ranking") if entry.method == "lca"]
    ranking = max(probes, key=lambda entry: len(collection.about(entry.weights, "curve")))
    stores = collection.about(ranking.weights, "activations")
    store = min(stores, key=lambda entry: collection.store(entry.name).n_words)
    record = collection.record(ranking.name)
    names = [record.space.name(number) for number in record.order[:3].tolist()]
    shared = [("store", store.name), *(("pin", name) for name in names)]

    def page(path: str, **values: str) -> str:
        return f"/{path}?{urlencode([*shared, *values.items()])}"

    return {
        "explorer-overview": ("light", "/overview"),
        "explorer-neuron": ("light", page("neuron", neuron=names[0], ranking=ranking.name)),
        "explorer-text": ("dark", page("text", sort="max")),
        "explorer-rankings": ("light", page("rankings", ranking=ranking.name)),
    }


def take(browser: Any, url: str, theme: str, path: Path) -> None:
    """Store the first screen of a page, once all its fragments have arrived."""
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT},
        device_scale_factor=SCALE,
        color_scheme=theme,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(url)
    page.wait_for_function(LOADED, timeout=120_000)
    options = {"format": "webp", "quality": QUALITY}
    taken = context.new_cdp_session(page).send("Page.captureScreenshot", options)
    path.write_bytes(base64.b64decode(taken["data"]))
    context.close()


def main(folder: str) -> None:
    """Take all pictures of a study's folder."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no Chromium; install it with your system's packages")
    pictures = states(collect([folder]))
    with og.explore(folder) as running, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, (theme, address) in pictures.items():
            take(browser, urljoin(running.url, address), theme, HERE / f"{name}.webp")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
