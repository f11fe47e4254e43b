"""Changes that a checksum does not give away: content is changed, and sealed again as onegrain seals it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pandas as pd

from fuzzing.mutations import VALUES, change_json, damage

__all__ = ["reseal"]


def reseal(path: Path, rng: random.Random) -> bool:
    """Change a whole file and its checksums, as one who knows the format would; False where it has none."""
    for folder in path.parents:
        if folder.suffix == ".zarr" and path.is_relative_to(folder):
            return _store(folder, path, rng)
    if path.suffix == ".parquet":
        _table(path, rng)
    elif path.suffix == ".safetensors" and len(path.read_bytes()) > 100:
        _tensors(path, rng)
    elif path.suffix == ".hdf5":
        _hdf5(path, rng)
    elif path.suffix == ".jsonl" or path.name == "acts.json":
        _json_line(path, rng)
    else:
        return path.suffix in (".json", ".txt") and _json(path, rng)
    return True


def _table(path: Path, rng: random.Random) -> None:
    """Change the header, a column or both of a record."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from onegrain.records import parquet as tables

    table = pq.read_table(path)
    header = table.schema.metadata[tables.KEY].decode()
    changed = change_json(header, rng) if rng.random() < 0.8 else header
    frame: pd.DataFrame = table.to_pandas()
    if rng.random() < 0.4:
        column = rng.choice(list(frame.columns))
        others: list[Any] = [
            frame.drop(columns=column),
            frame.rename(columns={column: "z"}),
            frame.iloc[: rng.randrange(len(frame))],
            pd.concat([frame, frame]),
            frame[list(frame.columns[::-1])],
            *(frame.assign(**{column: [value] * len(frame)}) for value in (None, "x", 10**15, -1, 0.5, [1.0])),
        ]
        frame = rng.choice(others)
    path.write_bytes(tables._sealed(pa.Table.from_pandas(frame, preserve_index=False), changed.encode()))


def _json(path: Path, rng: random.Random) -> bool:
    """Change a JSON file that has a checksum."""
    from onegrain.core.sealing import CHECKSUM, content_checksum, file_digest
    from onegrain.records.directions import WEIGHTS

    try:
        content = json.loads(path.read_text())
    except ValueError:
        return False
    if not isinstance(content, dict) or CHECKSUM not in content:
        return False
    rest = {key: value for key, value in content.items() if key != CHECKSUM}
    changed = json.loads(change_json(json.dumps(rest), rng))
    if isinstance(changed, dict):
        beside = [file_digest(path.parent / WEIGHTS)] if (path.parent / WEIGHTS).is_file() else []
        changed[CHECKSUM] = content_checksum(changed, *beside)
    path.write_text(json.dumps(changed))
    return True


def _store(folder: Path, path: Path, rng: random.Random) -> bool:
    """Change the manifest or the journal of a store, or another file and what the manifest says of it."""
    from onegrain.activations.store import journal
    from onegrain.activations.store.layout import MANIFEST
    from onegrain.activations.store.manifest import digest_of, seal

    name = path.relative_to(folder).as_posix()
    if name == journal.JOURNAL:
        held = json.loads(path.read_text())
        fields = json.loads(change_json(json.dumps({key: held[key] for key in journal.FIELDS}), rng))
        if isinstance(fields, dict):
            fields["checksum"] = journal._checksum({key: fields.get(key) for key in journal.FIELDS})
        path.write_text(json.dumps(fields))
        return True
    if not (folder / MANIFEST).is_file():
        return False
    manifest = json.loads((folder / MANIFEST).read_text())["attributes"]
    del manifest["checksum"]
    if name == MANIFEST:
        manifest = json.loads(change_json(json.dumps(manifest), rng))
    elif name not in manifest["files"]:
        return False
    else:
        data = path.read_bytes()
        is_json = path.suffix == ".json" and rng.random() < 0.7
        data = change_json(data.decode(), rng).encode() if is_json else damage(data, [data], rng)
        path.write_bytes(data)
        manifest["files"][name] = digest_of(data)
    (folder / MANIFEST).write_bytes(seal(manifest) if isinstance(manifest, dict) else b"[]")
    return True


def _tensors(path: Path, rng: random.Random) -> None:
    """Change the header of a safetensors file: names, shapes, types and places of tensors."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = change_json(data[8:end].decode(), rng).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[end:])


def _hdf5(path: Path, rng: random.Random) -> None:
    """Change a dataset of an HDF5 file, or leave it out."""
    import h5py
    import numpy as np

    with h5py.File(path, "r+") as file:
        name = rng.choice(sorted(file))
        value = file[name][()]
        text = value[0] if value.dtype == object else None
        del file[name]
        kind = rng.randrange(4)
        if kind == 0:
            return
        if text is not None and kind < 3:
            changed = change_json(text.decode(), rng).replace("\\u0000", "")
            file.create_dataset(name, data=np.array([changed], dtype=object), dtype=h5py.string_dtype())
        elif text is None and kind == 1:
            file[name] = value[: rng.randrange(len(value) + 1)]
        elif text is None and kind == 2:
            file[name] = value.astype(rng.choice(("f2", "f8", "i4", "S3", "c8")))
        else:
            others = (np.float32(1), np.zeros((2, 0)), np.zeros((1, 2, 3, 4)), "x", np.full((2, 5, 3), np.nan))
            file[name] = rng.choice(others)


def _json_line(path: Path, rng: random.Random) -> None:
    """Change one line of a file of JSON lines."""
    lines = path.read_text().split("\n")
    number = rng.randrange(len(lines))
    lines[number] = change_json(lines[number], rng) if lines[number] else json.dumps(rng.choice(VALUES))
    path.write_text("\n".join(lines))
