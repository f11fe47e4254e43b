"""Whether a store may be written at a place: only where nothing is, or what onegrain itself wrote."""

from __future__ import annotations

import json

from onegrain.activations.store.content import Content
from onegrain.activations.store.journal import JOURNAL, is_journal
from onegrain.activations.store.layout import is_leftover, is_store_of_names
from onegrain.activations.store.open import digest_of, open_activations, read_manifest
from onegrain.activations.store.places.folder import LEASE, Folder
from onegrain.errors import AlreadyDoneError, OutputExistsError, RecordError

__all__ = ["require_claimable", "require_writable"]


def require_writable(folder: Folder, *, force: bool) -> None:
    """Check before any work that a store can be written at a place, by this writer and no other.

    Raises:
        OutputExistsError: something else is there, even with ``force``; or another writer is at work on it.
        ParameterError: the place is the root of a file system.
        RecordError: a store of another format, or a damaged one, is there, and ``force`` is not set.
        StorageError: the place cannot be reached or written to.
    """
    folder.require_usable()
    _is_finished(folder, force=force)


def require_claimable(folder: Folder, content: Content, *, force: bool) -> None:
    """Check that a place is free, holds an unfinished store, or, with ``force``, any store.

    Raises:
        AlreadyDoneError: a finished store of the same content is there, without ``force``.
        OutputExistsError: another finished store is there without ``force``, or something that is not a store.
        RecordError: a store of another format, or a damaged one, is there, and ``force`` is not set.
    """
    if not _is_finished(folder, force=force) or force:
        return
    if _holds(folder, content):
        open_activations(folder.place)
        raise AlreadyDoneError(
            f"{folder} exists already: the same command has made it, and nothing is left to do; use --force "
            "(force=True) to make it anew"
        )
    raise OutputExistsError(f"{folder} exists already; use --force (force=True) to replace it")


def _is_finished(folder: Folder, *, force: bool) -> bool:
    """Whether a finished store is there; an unfinished one, or nothing at all, is not."""
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
    """Whether there is a manifest of ours; a damaged one, or of another format, counts with ``force`` only."""
    try:
        return read_manifest(folder) is not None
    except RecordError:
        if force:
            return True
        raise


def _holds(folder: Folder, content: Content) -> bool:
    """Whether a finished store holds just what a content says, but for the activations."""
    manifest = read_manifest(folder) or {}
    wanted = json.loads(json.dumps(content.manifest()))
    if any(manifest.get(key) != value for key, value in wanted.items()):
        return False
    digests = manifest.get("files", {})
    return all(digests.get(name) == digest_of(data) for name, data in content.files())
