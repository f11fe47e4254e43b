"""The epochs of a training, run by ``transformers.Trainer``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
)

from onegrain.core.progress import Progress
from onegrain.models.lstm.training_checkpoints import Checkpoint
from onegrain.models.lstm.training_folder import TrainingFolder
from onegrain.models.lstm.training_options import TrainingOptions

__all__ = ["losses_by_epoch", "run_epochs"]

IGNORED = -100


def run_epochs(
    model: PreTrainedModel,
    train: list[dict[str, list[int]]],
    valid: list[dict[str, list[int]]],
    options: TrainingOptions,
    folder: TrainingFolder,
    progress: Progress,
    description: str,
) -> Checkpoint:
    """Train from the newest complete checkpoint of a folder, or from the start; return the last checkpoint."""
    newest = folder.newest()
    if newest is None or not newest.finished:
        trainer = _trainer(model, train, valid, options, folder.work)
        trainer.add_callback(_Marking(folder))
        steps = options.epochs * -(-len(train) // options.batch_size)
        with progress(description, steps, "steps") as advance:
            trainer.add_callback(_Advance(advance))
            trainer.train(resume_from_checkpoint=None if newest is None else str(newest.path))
        newest = folder.newest()
    if newest is None or not newest.finished:
        raise RuntimeError(f"training ended without a complete checkpoint in {folder.work}")
    return newest


def losses_by_epoch(checkpoint: Checkpoint) -> list[dict[str, float]]:
    """Return the training and validation loss (nats per subword) of every epoch up to a checkpoint."""
    history = TrainerState.load_from_json(str(checkpoint.path / "trainer_state.json")).log_history
    train = {round(row["epoch"]): row["loss"] for row in history if "loss" in row}
    valid = {round(row["epoch"]): row["eval_loss"] for row in history if "eval_loss" in row}
    return [
        {"epoch": epoch, "train_loss": train.get(epoch, float("nan")), "valid_loss": valid[epoch]}
        for epoch in sorted(valid)
    ]


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


class _Advance(TrainerCallback):
    """A callback that reports the Trainer's steps as progress."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self.advance = advance
        self.done = 0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.advance(state.global_step - self.done)
        self.done = state.global_step


class _Marking(TrainerCallback):
    """A callback that marks each checkpoint as complete when all its files are written."""

    def __init__(self, folder: TrainingFolder) -> None:
        self.folder = folder

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        best = state.best_global_step or state.global_step
        self.folder.complete(state.global_step, best, finished=control.should_training_stop)
