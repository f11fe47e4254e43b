"""Training of the paper's two models with ``transformers.Trainer``."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import get_last_checkpoint

from onegrain.core.corpus import Corpus
from onegrain.core.output import Layout, claim_output, storage_errors
from onegrain.core.progress import Progress, silent
from onegrain.core.provenance import CorpusIdentity, package_version
from onegrain.errors import MismatchError, OutputExistsError, ParameterError
from onegrain.models.lstm_lm import LSTMLanguageModel, LSTMLanguageModelConfig
from onegrain.models.lstm_nmt import LSTMTranslationConfig, LSTMTranslationModel
from onegrain.models.quiet import quiet_transformers
from onegrain.models.tokenization import train_tokenizer
from onegrain.models.words import WordEncoder

__all__ = ["TrainingOptions", "is_trained", "train_nlm", "train_nmt"]

IGNORED = -100
WORK = ".training"


def _marks(folder: Path) -> bool:
    """Return True if a folder holds a model that onegrain trained, or one whose training was cut off."""
    for note in (folder / "training.json", folder / WORK / "run.json"):
        try:
            record = json.loads(note.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(record, dict) and {"kind", "options", "corpora"} <= record.keys():
            return True
    return False


LAYOUT = Layout(
    "a trained model",
    _marks,
    (
        "config.json",
        "generation_config.json",
        "model*.safetensors",
        "model.safetensors.index.json",
        "tokenizer*.json",
        "special_tokens_map.json",
        "training.json",
        f"{WORK}/**",
    ),
)


@dataclass(frozen=True)
class TrainingOptions:
    """How a model is trained.

    Attributes:
        hidden_size: units of each layer.
        layers: LSTM layers (of encoder and decoder each).
        vocab_size: subwords; source and target share one vocabulary.
        epochs: passes over the training part, at most.
        patience: passes without a better validation loss before training stops.
        batch_size: sentences a step; sentences of like length stand together.
        learning_rate: of Adam, warmed up over the first 5 % of the steps, then falling linearly to zero.
        dropout: probability.
        label_smoothing: share of the target probability spread over the vocabulary.
        initializer_range: standard deviation of the initial weights; ``2 / sqrt(hidden_size)`` if None.
        max_length: sentences of more subwords are left out, and counted.
        precision: ``float32``, or ``bfloat16`` for the matrix products (weights stay float32).
        seed: of initial weights, order and dropout.
    """

    hidden_size: int = 500
    layers: int = 2
    vocab_size: int = 8000
    epochs: int = 10
    patience: int = 3
    batch_size: int = 64
    learning_rate: float = 2e-3
    dropout: float = 0.2
    label_smoothing: float = 0.0
    initializer_range: float | None = None
    max_length: int = 128
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("hidden_size", "layers", "vocab_size", "epochs", "patience", "batch_size", "max_length"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.precision not in ("float32", "bfloat16"):
            raise ParameterError(f"precision must be float32 or bfloat16, got {self.precision!r}")


def train_nlm(
    text: Corpus,
    valid: Corpus,
    out: str | os.PathLike[str],
    *,
    options: TrainingOptions | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> Path:
    """Train an LSTM language model on sentences, and save it with its tokenizer.

    A run that was cut off goes on from its last full epoch when it is started again with the same arguments.

    Returns:
        The model folder: config.json, model.safetensors, tokenizer.json and training.json (losses by epoch).
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
    progress: Progress = silent,
) -> Path:
    """Train an attentional LSTM translation model on a parallel corpus, and save it with its tokenizer.

    A run that was cut off goes on from its last full epoch when it is started again with the same arguments.

    Returns:
        The model folder: config.json, model.safetensors, tokenizer.json and training.json (losses by epoch).
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


def is_trained(folder: str | os.PathLike[str]) -> bool:
    """Whether a training has finished in this folder."""
    return (Path(folder) / "training.json").is_file() and not (Path(folder) / WORK).exists()


@dataclass(frozen=True)
class _Task:
    """What differs between the two kinds of model."""

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
    record = _identity(task, options)
    work = _claim(out, record, force)
    # the Trainer warns that a tied weight is not in the checkpoint, which is as it should be
    with storage_errors(out), quiet_transformers(warnings=False):
        tokenizer = train_tokenizer(
            task.vocabulary_from,
            options.vocab_size,
            starts_with_bos=task.starts_with_bos,
            max_length=options.max_length,
        )
        set_seed(options.seed)
        model = task.build(tokenizer)
        train, left_out = _fitting(task.encode(tokenizer, task.train), options.max_length)
        valid, _ = _fitting(task.encode(tokenizer, task.valid), options.max_length)
        if not train or not valid:
            raise ParameterError(
                f"no sentence of at most {options.max_length} subwords to train or validate on"
            )
        trainer = _trainer(model, train, valid, options, work)
        steps = options.epochs * -(-len(train) // options.batch_size)
        with progress(f"train {task.kind}", steps, "steps") as advance:
            trainer.add_callback(_Advance(advance))
            trainer.train(resume_from_checkpoint=get_last_checkpoint(str(work)))
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)
        record |= {"left_out": left_out, "epochs": _epochs(trainer.state.log_history)}
        (out / "training.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
        shutil.rmtree(work)
    return out


def _identity(task: _Task, options: TrainingOptions) -> dict[str, Any]:
    """What a resumed run must share with the run that it goes on."""
    corpora = {"train": task.train, "valid": task.valid}
    if task.train.target is not None and task.valid.target is not None:
        corpora |= {"train-target": task.train.target, "valid-target": task.valid.target}
    return {
        "kind": task.kind,
        "version": package_version(),
        "options": asdict(options),
        "corpora": {name: CorpusIdentity.of(corpus).model_dump() for name, corpus in corpora.items()},
    }


def _claim(out: Path, record: dict[str, Any], force: bool) -> Path:
    """The work folder of a new run, or of the run cut off that this one goes on."""
    work = out / WORK
    note = work / "run.json"
    if note.is_file() and not force:
        if json.loads(note.read_text()) != record:
            raise MismatchError(
                f"{out} holds an unfinished training with other options or corpora; "
                "repeat its options to go on, or use --force (force=True) to start over"
            )
        return work
    if out.is_dir() and not force and not any(out.iterdir()):
        out.rmdir()
    elif is_trained(out) and not force:
        raise OutputExistsError(f"{out} holds a trained model; use --force (force=True) to replace it")
    claim_output(out, force=force, ours=LAYOUT)
    with storage_errors(out):
        work.mkdir(parents=True)
        note.write_text(json.dumps(record, sort_keys=True))
    return work


def _fitting(examples: list[dict[str, list[int]]], longest: int) -> tuple[list[dict[str, list[int]]], int]:
    kept = [e for e in examples if max(len(e["input_ids"]), len(e["labels"])) <= longest]
    return kept, len(examples) - len(kept)


def _trainer(
    model: PreTrainedModel,
    train: list[dict[str, list[int]]],
    valid: list[dict[str, list[int]]],
    options: TrainingOptions,
    work: Path,
) -> Trainer:
    arguments = TrainingArguments(
        output_dir=str(work),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        warmup_steps=0.05,
        lr_scheduler_type="linear",
        max_grad_norm=1.0,
        bf16=options.precision == "bfloat16",
        seed=options.seed,
        train_sampling_strategy="group_by_length",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_strategy="epoch",
        prediction_loss_only=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=not torch.cuda.is_available(),
        disable_tqdm=True,
        report_to=[],
        restore_callback_states_from_checkpoint=True,
    )
    pad = int(model.config.pad_token_id)
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=train,
        eval_dataset=valid,
        data_collator=lambda examples: _collate(examples, pad),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=options.patience)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _collate(examples: list[dict[str, list[int]]], pad: int) -> dict[str, Tensor]:
    def padded(name: str, filler: int) -> Tensor:
        rows = [torch.tensor(example[name], dtype=torch.long) for example in examples]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=filler)

    inputs = padded("input_ids", pad)
    lengths = torch.tensor([len(example["input_ids"]) for example in examples])
    mask = (torch.arange(inputs.shape[1])[None, :] < lengths[:, None]).long()
    return {"input_ids": inputs, "attention_mask": mask, "labels": padded("labels", IGNORED)}


def _epochs(history: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Training and validation loss (nats a subword) of every epoch."""
    train = {round(row["epoch"]): row["loss"] for row in history if "loss" in row}
    valid = {round(row["epoch"]): row["eval_loss"] for row in history if "eval_loss" in row}
    return [
        {"epoch": epoch, "train_loss": train.get(epoch, float("nan")), "valid_loss": valid[epoch]}
        for epoch in sorted(valid)
    ]


class _Advance(TrainerCallback):
    """Hands the Trainer's steps to our progress."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self.advance = advance
        self.done = 0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.advance(state.global_step - self.done)
        self.done = state.global_step
