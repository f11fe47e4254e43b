"""Choose the class of transformers that loads a model, and the task it is good for."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from typing import Any, Literal

import torch
import transformers
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    GenerationMixin,
    PreTrainedModel,
)

from onegrain.errors import ModelError

__all__ = ["Chosen", "Task", "choose_class"]

Task = Literal["language model", "translation", "encoder"]
CAUSAL = ("ForCausalLM", "LMHeadModel", "LSTMLanguageModel")


@dataclass(frozen=True)
class Chosen:
    """The class that loads a model, and its task.

    Attributes:
        task: ``language model``, ``translation`` or ``encoder``.
        kind: the class, or an Auto class, whose ``from_pretrained`` loads the model.
        skeleton: the model without weights, on the meta device; None if its class is known only after loading.
    """

    task: Task
    kind: Any
    skeleton: Any = None


def choose_class(config: Any, *, trust_remote_code: bool) -> Chosen:
    """Return the class that ``architectures`` names, or that of its body if its head has no use here.

    A class that writes text is loaded as it is. Of any other class, such as a masked language model or a
    classifier, only the body is loaded, which holds the sites. The body of an encoder-decoder is loaded with
    the output layer of its family.

    Raises:
        ModelError: ``architectures`` is not a list of names.
    """
    name = _first_architecture(config)
    if trust_remote_code and getattr(config, "auto_map", None):
        return _by_family(config, name)
    named = _resolve(name, config)
    if named is None:
        return _with_skeleton(_by_family(config, name), config)
    if issubclass(named, GenerationMixin):
        if _reads_target(named):
            return Chosen("translation", named, _skeleton(named, config))
        if any(mark in name for mark in (*CAUSAL, "WithLMHead")):
            return Chosen("language model", named, _skeleton(named, config))
        return _with_skeleton(Chosen("encoder", AutoModel), config)
    return _body(named, config)


def _first_architecture(config: Any) -> str:
    stated = getattr(config, "architectures", None)
    if stated is None or stated == []:
        return ""
    if not isinstance(stated, (list, tuple)) or not all(isinstance(name, str) for name in stated):
        raise ModelError(f"architectures in config.json must be a list of class names, not {stated!r}")
    return stated[0]


def _resolve(name: str, config: Any) -> Any:
    """Return the class with this name if it belongs to this kind of configuration, else None."""
    named = getattr(transformers, name, None) if name.isidentifier() else None
    if named is None and name.isidentifier():
        module = type(config).__module__.replace(".configuration_", ".modeling_")
        if module.startswith("transformers.models.") and ".modeling_" in module:
            named = getattr(importlib.import_module(module), name, None)
    if not (isinstance(named, type) and issubclass(named, PreTrainedModel)):
        return None
    expected = getattr(named, "config_class", None)
    return named if expected is None or isinstance(config, expected) else None


def _by_family(config: Any, name: str) -> Chosen:
    """Return the Auto class that fits the configuration."""
    if getattr(config, "is_encoder_decoder", False):
        return Chosen("translation", AutoModelForSeq2SeqLM)
    if any(mark in name for mark in CAUSAL):
        return Chosen("language model", AutoModelForCausalLM)
    return Chosen("encoder", AutoModel)


def _body(named: Any, config: Any) -> Chosen:
    skeleton = _skeleton(named, config)
    body = type(skeleton.base_model) if skeleton is not None else named
    if not _reads_target(body):
        if skeleton is None or body is not named:
            skeleton = _skeleton(body, config)
        return Chosen("encoder", body, skeleton)
    writing = _mapped(AutoModelForSeq2SeqLM, config)
    if writing is None:
        raise ModelError(f"{named.__name__} has a decoder, but its family has no class that writes text")
    return Chosen("translation", writing, _skeleton(writing, config))


def _with_skeleton(chosen: Chosen, config: Any) -> Chosen:
    named = _mapped(chosen.kind, config)
    return chosen if named is None else Chosen(chosen.task, chosen.kind, _skeleton(named, config))


def _mapped(auto: Any, config: Any) -> Any:
    """Return the class that an Auto class would load, or None."""
    try:
        named = auto._model_mapping[type(config)]
    except (KeyError, ValueError):
        return None
    return named[0] if isinstance(named, (list, tuple)) else named


def _reads_target(kind: Any) -> bool:
    return "decoder_input_ids" in inspect.signature(kind.forward).parameters


def _skeleton(kind: Any, config: Any) -> Any:
    """Return the model on the meta device, where weights take no memory."""
    with torch.device("meta"):
        return kind._from_config(config)
