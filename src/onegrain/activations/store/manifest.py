"""Encode and read the manifest of a store, which is written last and makes the store complete.

The manifest holds the SHA-256 of every file except the shards, whose chunks have a CRC-32C each, and a checksum
of itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from onegrain.activations.store.layout import MANIFEST
from onegrain.activations.store.places.folder import Folder
from onegrain.errors import RecordError

__all__ = ["FORMAT", "REMEDY", "digest_of", "manifest_digest", "read_manifest", "seal"]

FORMAT = 2
REMEDY = "copy it again, or extract it again with force"
"""The advice at the end of every message about a damaged store."""


def seal(manifest: Mapping[str, Any]) -> bytes:
    """Return the bytes of a Zarr group whose attributes are the manifest and its checksum."""
    checksum = digest_of(json.dumps(manifest, sort_keys=True).encode())
    group = {"zarr_format": 3, "node_type": "group", "attributes": {**manifest, "checksum": checksum}}
    return (json.dumps(group, indent=2, sort_keys=True) + "\n").encode()


def read_manifest(folder: Folder) -> dict[str, Any] | None:
    """Return the manifest of a finished store without its checksum, or None if the folder has no manifest.

    Raises:
        RecordError: the manifest is damaged, or of another format.
    """
    data = folder.read(MANIFEST)
    try:
        attributes = json.loads((data or b"").decode("utf-8"))["attributes"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(attributes, dict) or attributes.get("record") != "activations":
        return None
    if attributes.get("format") != FORMAT:
        raise RecordError(
            f"{folder} has format {attributes.get('format')}, but this version of onegrain reads format "
            f"{FORMAT}; extract it again, or install the onegrain that wrote it"
        )
    manifest = {name: value for name, value in attributes.items() if name != "checksum"}
    if seal(manifest) != data:
        raise RecordError(f"{folder} is damaged at {MANIFEST}: its checksum differs; {REMEDY}")
    return manifest


def manifest_digest(folder: Folder) -> str:
    """Return the SHA-256 of the manifest of a finished store, which names what was extracted from what.

    Raises:
        RecordError: the store has no manifest, or a damaged one.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise RecordError(f"{folder} is not a finished store of activations")
    return digest_of(seal(manifest))


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of the data in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
