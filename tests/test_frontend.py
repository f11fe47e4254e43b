"""The front-end files: locked by hash, without addresses, and complete."""

from __future__ import annotations

import json

import pytest

from onegrain.explorer.assets import OWN, STYLE, VENDORED, asset
from support import ROOT

LOCK = json.loads((ROOT / "frontend" / "package-lock.json").read_text("utf-8"))


def test_every_locked_package_has_a_hash_and_no_address() -> None:
    packages = {name: package for name, package in LOCK["packages"].items() if name}
    assert packages
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert not any("resolved" in package for package in packages.values())


def test_versions_are_pinned_exactly() -> None:
    wanted = json.loads((ROOT / "frontend" / "package.json").read_text("utf-8"))
    for name, version in {**wanted["dependencies"], **wanted["devDependencies"]}.items():
        assert LOCK["packages"][f"node_modules/{name}"]["version"] == version


@pytest.mark.parametrize("name", [*VENDORED, *OWN, STYLE])
def test_every_file_is_served_with_its_hash(name: str) -> None:
    served = asset(name)
    assert served is not None
    assert served.content
    assert served.integrity.startswith("sha384-")
    assert served.address.startswith(f"/static/{name}?v=")


@pytest.mark.parametrize("name", ["../explorer.py", "vendor/htmx.min.js", "", "explorer.css/.."])
def test_no_other_name_is_served(name: str) -> None:
    assert asset(name) is None
