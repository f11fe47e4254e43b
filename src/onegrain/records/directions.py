"""The Directions record: directions of one site that are read and erased like neurons."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from safetensors.numpy import load_file, save_file

from onegrain.core.describing import Described
from onegrain.core.output import Layout, whole_folder
from onegrain.core.sealing import (
    CHECKSUM,
    content_checksum,
    file_digest,
    read_json,
    reading,
    require_checksum,
)
from onegrain.errors import RecordError
from onegrain.records.provenance import Provenance

__all__ = ["CONFIG", "LAYOUT", "WEIGHTS", "Directions"]

CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"
"""The two files of a dictionary, as SAELens names them."""
FORMULA = "linear, identity, subtracts bias"
"""The entries by which the loader of dictionaries recognises the configuration that is written here."""


def _marks(folder: Path) -> bool:
    """Return True if a folder's configuration is that of a Directions record."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        return config["architecture"] == "linear" and "provenance" in config["metadata"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


LAYOUT = Layout("directions", _marks, (CONFIG, WEIGHTS))


@dataclass(frozen=True, eq=False, repr=False)
class Directions(Described):
    """Linear directions of a site's value x, (..., width), with coordinates z = (x - mean) encoder.

    Changing z_k to z_k' adds (z_k' - z_k) times row k of the decoder to x. On disk the record is the folder of
    a dictionary (``docs/dictionaries.md``): a model loads it by
    ``load_model(...).with_dictionary(site, folder)`` or ``--dictionary SITE=FOLDER``, and the directions are
    then the units of ``SITE.latents``.

    Attributes:
        site: the site whose value the directions are in.
        mean: float64 (width,), the value at which every z is 0.
        encoder: float64 (width, directions).
        decoder: float64 (directions, width).
        provenance: provenance of the record.
    """

    site: str
    mean: Float64[np.ndarray, " width"]
    encoder: Float64[np.ndarray, "width directions"]
    decoder: Float64[np.ndarray, "directions width"]
    provenance: Provenance

    def __post_init__(self) -> None:
        if self.encoder.shape != self.decoder.T.shape or self.encoder.shape[:1] != self.mean.shape:
            raise RecordError(
                f"an encoder of shape {self.encoder.shape}, a decoder of shape {self.decoder.shape} and a mean "
                f"of shape {self.mean.shape} do not belong together"
            )

    @property
    def identity(self) -> str:
        """SHA-256 (hex) of tensors and formula, by which a model identifies the loaded dictionary."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self._tensors().items()):
            digest.update(f"{name} torch.float32 {tensor.shape}".encode())
            digest.update(tensor.data)
        return hashlib.sha256(f"{digest.hexdigest()} {FORMULA}".encode()).hexdigest()

    def summary(self) -> dict[str, Any]:
        """Return the facts: the site, its width, and the number of directions."""
        model = self.provenance.subject()
        return {
            "record": "directions",
            "site": self.site,
            "model": model.id if model else None,
            "width": self.encoder.shape[0],
            "directions": self.encoder.shape[1],
        }

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Directions:
        """Read the directions that :meth:`save` wrote, in the float32 precision of the file.

        Raises:
            RecordError: the folder is missing, damaged, or does not hold directions.
        """
        place = Path(folder)
        config = read_json(place / CONFIG, "directions")
        with reading(place, "directions"):
            require_checksum(place / CONFIG, "directions", config, file_digest(place / WEIGHTS))
            tensors = {name: tensor.astype(np.float64) for name, tensor in load_file(place / WEIGHTS).items()}
            return cls(
                site=config["metadata"]["site"],
                mean=tensors["b_dec"],
                encoder=tensors["W_enc"],
                decoder=tensors["W_dec"],
                provenance=Provenance.model_validate(config["metadata"]["provenance"]),
            )

    def save(self, folder: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write a dictionary of the architecture ``linear``, in float32: ``cfg.json`` and the weights.

        The configuration carries a checksum of itself and of the weights, which loading verifies.
        """
        width, size = self.encoder.shape
        config: dict[str, Any] = {
            "architecture": "linear",
            "activation_fn": "identity",
            "d_in": width,
            "d_sae": size,
            "dtype": "float32",
            "apply_b_dec_to_input": True,
            "normalize_activations": "none",
            "metadata": {"site": self.site, "provenance": self.provenance.model_dump(mode="json")},
        }
        with whole_folder(folder, force=force, ours=LAYOUT) as partial:
            save_file(self._tensors(), partial / WEIGHTS)
            ordered = dict(sorted(config.items()))
            ordered[CHECKSUM] = content_checksum(ordered, file_digest(partial / WEIGHTS))
            (partial / CONFIG).write_text(json.dumps(ordered, indent=1), encoding="utf-8")

    def _tensors(self) -> dict[str, np.ndarray]:
        named = {"W_enc": self.encoder, "W_dec": self.decoder, "b_dec": self.mean}
        return {name: np.ascontiguousarray(tensor, dtype=np.float32) for name, tensor in named.items()}
