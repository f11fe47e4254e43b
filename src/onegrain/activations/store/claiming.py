"""Check that a store may be written at a place, which must be empty or hold a store of onegrain."""

from __future__ import annotations

import json

from onegrain.activations.store.content import StoreContent
from onegrain.activations.store.journal import JOURNAL, is_journal
from onegrain.activations.store.layout import is_leftover, is_store_of_names
from onegrain.activations.store.manifest import digest_of, read_manifest
from onegrain.activations.store.open import open_activations
from onegrain.activations.store.places.folder import LEASE, Folder
from onegrain.errors import AlreadyDoneError, OutputExistsError, RecordError

__all__ = ["require_claimable", "require_writable"]


def require_writable(folder: Folder, *, force: bool) -> None:
    """Check, before any work, that a store can be written at a place and no other writer uses it.

    Raises:
        OutputExistsError: the place holds something other than a store, even with ``force``; or another writer
            uses it.
        ParameterError: the place is the root of a file system.
        RecordError: the place holds a damaged store or one of another format, and ``force`` is not set.
        StorageError: the place cannot be reached or written to.
    """
    folder.require_usable()
    _is_finished(folder, force=force)


def require_claimable(folder: Folder, content: StoreContent, *, force: bool) -> None:
    """Check that a place is empty, holds an unfinished store or, with ``force``, any store.

    Raises:
        AlreadyDoneError: the place holds a finished store of the same content, and ``force`` is not set.
        OutputExistsError: the place holds another finished store and ``force`` is not set, or something other
            than a store.
        RecordError: the place holds a damaged store or one of another format, and ``force`` is not set.
    """
    if not _is_finished(folder, force=force) or force:
        return
    if _holds(folder, content):
        open_activations(folder.place)
        raise AlreadyDoneError(
            f"{folder} exists already: the same command has made it, and nothing is left to do; use --force "
            "(force=True) to make it again"
        )
    raise OutputExistsError(f"{folder} exists already; use --force (force=True) to replace it")


def _is_finished(folder: Folder, *, force: bool) -> bool:
    """Return True if the place holds a finished store, and False if it is empty or holds an unfinished one."""
    if folder.first_file(besides=(LEASE,)) is None:
        return False
    journal = folder.read(JOURNAL)
    if journal is not None and is_journal(journal):
        return False
    if _has_manifest(folder, force=force):
        return True
    names = [name for name in folder.names() if not is_leftover(name)]
    if not is_store_of_names(names):
        raise OutputExistsError(f"{folder} is a folder that onegrain did not write; choose another output")
    return JOURNAL not in names


def _has_manifest(folder: Folder, *, force: bool) -> bool:
    """Return True if the place has a store's manifest; with ``force``, even a damaged one or another format."""
    try:
        return read_manifest(folder) is not None
    except RecordError:
        if force:
            return True
        raise


def _holds(folder: Folder, content: StoreContent) -> bool:
    """Return True if a finished store agrees with a content in everything but the activations."""
    manifest = read_manifest(folder) or {}
    wanted = json.loads(json.dumps(content.manifest()))
    if any(manifest.get(key) != value for key, value in wanted.items()):
        return False
    digests = manifest.get("files", {})
    return all(digests.get(name) == digest_of(data) for name, data in content.files())
