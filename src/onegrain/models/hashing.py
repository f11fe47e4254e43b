"""The hash of weights that provenance records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["hash_tensors"]


def hash_tensors(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """Return the SHA-256 (hex) of the name, dtype, shape and values of tensors, which come ordered by name."""
    digest = hashlib.sha256()
    for name, tensor in tensors:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()
