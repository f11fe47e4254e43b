"""A device other than the CPU, for machines that have none.

PyTorch allows a back end to be written in Python. A tensor of this one, ``elsewhere``, wraps a CPU tensor that
other code cannot reach. Operations on tensors of two devices fail as they do on CUDA, and so does ``numpy()``.
Tests on this device show that code leaves no tensor on the CPU by mistake; they do not show CUDA's numbers or
speed.
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


class ElsewhereTensor(torch.Tensor):
    """A tensor of the device ``elsewhere``."""

    inner: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def of(inner: torch.Tensor) -> ElsewhereTensor:
        wrapper = torch.Tensor._make_wrapper_subclass(
            ElsewhereTensor,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=ELSEWHERE,
        )
        wrapper.inner = inner
        return wrapper

    def tolist(self) -> Any:
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(op, *args, **(kwargs or {}))


def _compute(op: Any, *args: Any, **kwargs: Any) -> Any:
    """Run an operation on the wrapped tensors, and wrap the tensors that it returns."""
    name, wrappers, strays = op._schema.name, {}, []

    def unwrap(value: Any) -> Any:
        if isinstance(value, ElsewhereTensor):
            wrappers[id(value.inner)] = value
            return value.inner
        if isinstance(value, torch.Tensor) and value.dim():
            strays.append(value)
        return torch.device("cpu") if isinstance(value, torch.device) and value.type == "elsewhere" else value

    positional, named = tree_map(unwrap, args), tree_map(unwrap, kwargs)
    if wrappers and strays and name not in COPIES + INDEXING:
        raise RuntimeError(f"{name}: expected all tensors to be on the same device, found elsewhere:0 and cpu")
    result = op(*positional, **named)
    if name == "aten::_to_copy" and kwargs.get("device", ELSEWHERE).type != "elsewhere":
        return result
    if name == "aten::_copy_from":
        return args[1]

    def wrap(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return wrappers[id(value)] if id(value) in wrappers else ElsewhereTensor.of(value)

    return tree_map(wrap, result)


_LIBRARY = torch.library.Library("_", "IMPL")
_LIBRARY.fallback(_compute, "PrivateUse1")
