"""Training of the paper's two models with ``transformers.Trainer``."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerFast, set_seed

from onegrain.core.output import storage_errors
from onegrain.core.progress import Progress, automatic
from onegrain.errors import AlreadyDoneError, ParameterError
from onegrain.models.lstm.language_model import LSTMLanguageModel, LSTMLanguageModelConfig
from onegrain.models.lstm.tokenization import train_tokenizer
from onegrain.models.lstm.training_files import is_trained
from onegrain.models.lstm.training_folder import TrainingFolder
from onegrain.models.lstm.training_loop import losses_by_epoch, run_epochs
from onegrain.models.lstm.training_options import TrainingOptions
from onegrain.models.lstm.translation_model import LSTMTranslationConfig, LSTMTranslationModel
from onegrain.models.quiet import quiet_transformers
from onegrain.models.words import WordEncoder
from onegrain.records.corpus import Corpus
from onegrain.records.provenance import CorpusIdentity, package_version

__all__ = ["TrainingOptions", "is_trained", "train_nlm", "train_nmt"]


def train_nlm(
    text: Corpus,
    valid: Corpus,
    out: str | os.PathLike[str],
    *,
    options: TrainingOptions | None = None,
    force: bool = False,
    progress: Progress = automatic,
) -> Path:
    """Train an LSTM language model on sentences, and save it with its tokenizer.

    An interrupted run resumes from its last complete epoch when it is started again with the same arguments.
    After a finished run the same call changes nothing and returns the folder.

    Returns:
        The model folder: config.json, model.safetensors, tokenizer.json and training.json (losses by
        epoch, and the checksums of the files).
    """
    chosen = options or TrainingOptions()

    def build(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
        return LSTMLanguageModel(LSTMLanguageModelConfig(**_sizes(chosen, tokenizer)))

    def encode(tokenizer: PreTrainedTokenizerFast, corpus: Corpus) -> list[dict[str, list[int]]]:
        return [{"input_ids": ids, "labels": ids} for ids in _subwords(tokenizer, corpus)]

    task = _Task("nlm", (text,), text, valid, build, encode, starts_with_bos=True)
    return _train(task, Path(out), chosen, force, progress)


def train_nmt(
    train: Corpus,
    valid: Corpus,
    out: str | os.PathLike[str],
    *,
    options: TrainingOptions | None = None,
    force: bool = False,
    progress: Progress = automatic,
) -> Path:
    """Train an attentional LSTM translation model on a parallel corpus, and save it with its tokenizer.

    An interrupted run resumes from its last complete epoch when it is started again with the same arguments.
    After a finished run the same call changes nothing and returns the folder.

    Returns:
        The model folder: config.json, model.safetensors, tokenizer.json and training.json (losses by
        epoch, and the checksums of the files).
    """
    chosen = options or TrainingOptions()
    if train.target is None or valid.target is None:
        raise ParameterError("a translation model is trained on parallel corpora; read them with read_parallel")

    def build(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
        return LSTMTranslationModel(LSTMTranslationConfig(**_sizes(chosen, tokenizer)))

    def encode(tokenizer: PreTrainedTokenizerFast, corpus: Corpus) -> list[dict[str, list[int]]]:
        sides = (_subwords(tokenizer, corpus), _subwords(tokenizer, _target(corpus)))
        return [{"input_ids": s, "labels": t} for s, t in zip(*sides, strict=True)]

    task = _Task("nmt", (train, train.target), train, valid, build, encode, starts_with_bos=False)
    return _train(task, Path(out), chosen, force, progress)


@dataclass(frozen=True)
class _Task:
    """The settings that differ between the two kinds of model."""

    kind: str
    vocabulary_from: tuple[Corpus, ...]
    train: Corpus
    valid: Corpus
    build: Callable[[PreTrainedTokenizerFast], PreTrainedModel]
    encode: Callable[[PreTrainedTokenizerFast, Corpus], list[dict[str, list[int]]]]
    starts_with_bos: bool


def _target(corpus: Corpus) -> Corpus:
    if corpus.target is None:
        raise ParameterError(f"{corpus.source} has no parallel side")
    return corpus.target


def _sizes(options: TrainingOptions, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": options.hidden_size,
        "num_hidden_layers": options.layers,
        "dropout": options.dropout,
        "label_smoothing": options.label_smoothing,
        "initializer_range": options.initializer_range,
    }


def _subwords(tokenizer: PreTrainedTokenizerFast, corpus: Corpus) -> list[list[int]]:
    encoded = WordEncoder(tokenizer).encode(list(corpus.sentences()), corpus.forms())
    return [sentence.ids for sentence in encoded]


def _train(task: _Task, out: Path, options: TrainingOptions, force: bool, progress: Progress) -> Path:
    folder = TrainingFolder(out, _identity(task, options))
    # the Trainer warns that a tied weight is not in the checkpoint, which is intended
    quiet = quiet_transformers(warnings=False)
    with suppress(AlreadyDoneError), storage_errors(out), quiet, folder.claimed(force=force):
        _train_into(folder, task, options, progress)
    return out


def _train_into(folder: TrainingFolder, task: _Task, options: TrainingOptions, progress: Progress) -> None:
    """Train from the newest complete checkpoint, or from the start, and write the model's files."""
    tokenizer = train_tokenizer(
        task.vocabulary_from,
        options.vocab_size,
        starts_with_bos=task.starts_with_bos,
        max_length=options.max_length,
    )
    train, left_out = _fitting(task.encode(tokenizer, task.train), options.max_length)
    valid, _ = _fitting(task.encode(tokenizer, task.valid), options.max_length)
    if not train or not valid:
        raise ParameterError(f"no sentence of at most {options.max_length} subwords to train or validate on")
    set_seed(options.seed)
    model = task.build(tokenizer)
    last = run_epochs(model, train, valid, options, folder, progress, f"train {task.kind}")
    record = {**folder.identity, "left_out": left_out, "epochs": losses_by_epoch(last)}
    with folder.finishing(last, record) as files:
        tokenizer.save_pretrained(files)


def _identity(task: _Task, options: TrainingOptions) -> dict[str, Any]:
    """Return the settings that a run must share with the run that it resumes."""
    corpora = {"train": task.train, "valid": task.valid}
    if task.train.target is not None and task.valid.target is not None:
        corpora |= {"train-target": task.train.target, "valid-target": task.valid.target}
    return {
        "kind": task.kind,
        "version": package_version(),
        "options": asdict(options),
        "corpora": {name: CorpusIdentity.of(corpus).model_dump() for name, corpus in corpora.items()},
    }


def _fitting(examples: list[dict[str, list[int]]], longest: int) -> tuple[list[dict[str, list[int]]], int]:
    kept = [e for e in examples if max(len(e["input_ids"]), len(e["labels"])) <= longest]
    return kept, len(examples) - len(kept)
