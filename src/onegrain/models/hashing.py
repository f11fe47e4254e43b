"""The hash of weights, by which provenance knows them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["hash_tensors"]


def hash_tensors(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """SHA-256 (hex) of named tensors, given in the order of their names: of name, dtype, shape and values."""
    digest = hashlib.sha256()
    for name, tensor in tensors:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()
