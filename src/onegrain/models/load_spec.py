"""The arguments a model was loaded with, so that another process can load the same model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from onegrain.errors import ParameterError

__all__ = ["DTYPES", "LoadSpec"]

DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class LoadSpec:
    """The arguments of :func:`onegrain.models.loading.load_model`, as a record that can be pickled.

    Attributes:
        path: the folder as an absolute path, or the hub id.
        name: the name of the model in provenance.
        device: the device to run on; None for CUDA if available, and with a ``device_map``.
        dtype: ``float32``, ``float16`` or ``bfloat16``.
        device_map: the way accelerate spreads the model over devices: ``auto``, ``balanced``, ..., or a dict
            from module path to device; None for a single device.
        max_memory: memory limit of each device, with a ``device_map``; see accelerate.
        offload_folder: the folder for weights that the ``device_map`` puts on disk.
        trust_remote_code: True to run code from the model's repository.
        allow_pickle: True to load weights that are not safetensors.
        source_language: the tokenizer's name of the input language; None for the one set in the folder.
        target_language: the tokenizer's name of the output language; None for the one set in the folder.
        dictionaries: pairs of a site and the folder of the learned dictionary that reads it.

    Raises:
        ParameterError: an unknown dtype, or options that exclude each other.
    """

    path: str
    name: str
    device: str | None = None
    dtype: str = "float32"
    device_map: str | dict[str, Any] | None = None
    max_memory: dict[Any, Any] | None = None
    offload_folder: str | None = None
    trust_remote_code: bool = False
    allow_pickle: bool = False
    source_language: str | None = None
    target_language: str | None = None
    dictionaries: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ParameterError(f"dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}")
        if self.device is not None and self.device_map is not None:
            raise ParameterError(
                f"device {self.device!r} and a device_map are given; a device_map says where every part runs, "
                "so leave out device"
            )
        if self.device_map is None and (self.max_memory is not None or self.offload_folder is not None):
            raise ParameterError("max_memory and offload_folder need a device_map; give device_map='auto'")

    def with_dictionary(self, site: str, folder: str) -> LoadSpec:
        """Return the specification of the same model with a learned dictionary at a site."""
        return replace(self, dictionaries=(*self.dictionaries, (site, folder)))
