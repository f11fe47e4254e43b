"""Load a model again in another process, and make sure that it is the same one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from onegrain.errors import EngineError, OnegrainError
from onegrain.models.load_spec import LoadSpec
from onegrain.models.loaded import LoadedModel
from onegrain.models.loading import load_from_spec

__all__ = ["RemoteModel"]


@dataclass(frozen=True)
class RemoteModel:
    """A picklable description of a loaded model, from which a worker process loads the same model.

    Attributes:
        load_spec: how to load the model.
        weight_hash: the hash that the loaded weights must have.
        threads: number of threads of a forward pass, which affects rounding.
        start_token: whether sentences are read behind a start token; see ``LoadedModel.without_start_token``.
    """

    load_spec: LoadSpec
    weight_hash: str
    threads: int
    start_token: bool = True

    @classmethod
    def of(cls, loaded: LoadedModel) -> RemoteModel:
        """Return the description of a loaded model."""
        # a worker sees only the GPU that it is assigned, so its number there differs
        indexed = (loaded.load_spec.device or "").startswith("cuda:")
        return cls(
            replace(loaded.load_spec, device="cuda") if indexed else loaded.load_spec,
            loaded.identity.weight_hash,
            torch.get_num_threads(),
            loaded.start_token,
        )

    def load(self) -> LoadedModel:
        """Load the model.

        Raises:
            EngineError: the model cannot be loaded in this process, or its weights differ.
        """
        torch.set_num_threads(self.threads)
        try:
            loaded = load_from_spec(self.load_spec)
        except OnegrainError as error:
            raise EngineError(
                f"a worker cannot load the model: {error}; put it where every worker finds it by the same "
                "path, or use the local engine"
            ) from error
        if loaded.identity.weight_hash != self.weight_hash:
            raise EngineError(
                f"the weights that a worker finds at {self.load_spec.path} differ from those of your model; "
                "save the model where every worker finds it by the same path, and pass that path"
            )
        return loaded if self.start_token else loaded.without_start_token()
