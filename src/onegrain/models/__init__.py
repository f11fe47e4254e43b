"""Models: loading, sites, recording and editing of activations, and the paper's two models."""

from __future__ import annotations

from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from onegrain.models.loaded import LoadedModel
from onegrain.models.loading import load_model
from onegrain.models.lstm.language_model import LSTMLanguageModel, LSTMLanguageModelConfig
from onegrain.models.lstm.training import TrainingOptions, is_trained, train_nlm, train_nmt
from onegrain.models.lstm.translation_model import LSTMTranslationConfig, LSTMTranslationModel

__all__ = [
    "LSTMLanguageModel",
    "LSTMLanguageModelConfig",
    "LSTMTranslationConfig",
    "LSTMTranslationModel",
    "LoadedModel",
    "TrainingOptions",
    "is_trained",
    "load_model",
    "train_nlm",
    "train_nmt",
]

AutoConfig.register(LSTMLanguageModelConfig.model_type, LSTMLanguageModelConfig, exist_ok=True)
AutoModelForCausalLM.register(LSTMLanguageModelConfig, LSTMLanguageModel, exist_ok=True)
AutoConfig.register(LSTMTranslationConfig.model_type, LSTMTranslationConfig, exist_ok=True)
AutoModelForSeq2SeqLM.register(LSTMTranslationConfig, LSTMTranslationModel, exist_ok=True)
