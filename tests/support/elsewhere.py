"""A device that is not the CPU, for machines without one: what stands there is computed on the CPU, but apart.

PyTorch lets a back end be written in Python. Tensors of this one, ``elsewhere``, hold a CPU tensor that nobody
else sees; an operation on tensors of two devices fails as it does on CUDA, and so does ``numpy()``. It shows
that code leaves nothing on the CPU by mistake. It says nothing of CUDA's own numbers or speed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._pytree import tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

__all__ = ["ELSEWHERE"]

_setup_privateuseone_for_python_backend("elsewhere")
ELSEWHERE = torch.device("elsewhere:0")
COPIES = ("aten::copy_", "aten::_to_copy", "aten::_copy_from")
INDEXING = ("aten::index", "aten::index_put_", "aten::_index_put_impl_")


class There(torch.Tensor):
    """A tensor of the device ``elsewhere``."""

    inner: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def of(inner: torch.Tensor) -> There:
        made = torch.Tensor._make_wrapper_subclass(
            There,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=ELSEWHERE,
        )
        made.inner = inner
        return made

    def tolist(self) -> Any:
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(op, *args, **(kwargs or {}))


def _compute(op: Any, *args: Any, **kwargs: Any) -> Any:
    """The operation on what the tensors hold; what it returns stays on its device."""
    name, seen, strays = op._schema.name, {}, []

    def take(one: Any) -> Any:
        if isinstance(one, There):
            seen[id(one.inner)] = one
            return one.inner
        if isinstance(one, torch.Tensor) and one.dim():
            strays.append(one)
        return torch.device("cpu") if isinstance(one, torch.device) and one.type == "elsewhere" else one

    given, named = tree_map(take, args), tree_map(take, kwargs)
    if seen and strays and name not in COPIES + INDEXING:
        raise RuntimeError(f"{name}: expected all tensors to be on the same device, found elsewhere:0 and cpu")
    found = op(*given, **named)
    if name == "aten::_to_copy" and kwargs.get("device", ELSEWHERE).type != "elsewhere":
        return found
    if name == "aten::_copy_from":
        return args[1]

    def give(one: Any) -> Any:
        if not isinstance(one, torch.Tensor):
            return one
        return seen.get(id(one)) if id(one) in seen else There.of(one)

    return tree_map(give, found)


_LIBRARY = torch.library.Library("_", "IMPL")
_LIBRARY.fallback(_compute, "PrivateUse1")
