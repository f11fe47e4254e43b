"""``onegrain train nlm`` and ``onegrain train nmt``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from onegrain.cli.console import emit, progress
from onegrain.cli.grouped_help import VerbGroup
from onegrain.cli.options.corpus import corpus_from
from onegrain.cli.options.output import Force, Json, out_option
from onegrain.cli.repeating import already_made

app = VerbGroup(name="train", help="Train one of the paper's two models.", no_args_is_help=True)

Out = Annotated[Path, out_option("Model folder to write.")]
Hidden = Annotated[int, typer.Option("--hidden-size", help="Number of units in each layer.")]
Layers = Annotated[int, typer.Option(help="Number of LSTM layers (in encoder and decoder each).")]
Vocabulary = Annotated[int, typer.Option("--vocab-size", help="Number of subwords.")]
Epochs = Annotated[int, typer.Option(help="Largest number of passes over the training text.")]
Patience = Annotated[
    int, typer.Option(help="Number of passes without a better validation loss before training stops.")
]
Batch = Annotated[int, typer.Option("--batch-size", "-b", help="Largest number of sentences in a batch.")]
Rate = Annotated[float, typer.Option("--learning-rate", help="Peak learning rate of Adam.")]
Dropout = Annotated[float, typer.Option(help="Dropout probability.")]
Smoothing = Annotated[float, typer.Option("--label-smoothing", help="Probability spread over the vocabulary.")]
Initial = Annotated[
    float | None, typer.Option("--initializer-range", help="Standard deviation of the initial weights.")
]
Longest = Annotated[
    int,
    typer.Option(
        "--max-length", help="Largest number of subwords of a sentence; longer sentences are left out."
    ),
]
Precision = Annotated[str, typer.Option(help="Precision: float32, or bfloat16 for the matrix products.")]
Seed = Annotated[int, typer.Option(help="Random seed.")]


@app.command("nlm")
def nlm(
    text: Annotated[Path, typer.Option(help="Training text, one sentence per line.")],
    valid: Annotated[Path, typer.Option(help="Validation text.")],
    out: Out,
    hidden_size: Hidden = 500,
    layers: Layers = 2,
    vocab_size: Vocabulary = 8000,
    epochs: Epochs = 10,
    patience: Patience = 3,
    batch_size: Batch = 64,
    learning_rate: Rate = 2e-3,
    dropout: Dropout = 0.2,
    label_smoothing: Smoothing = 0.0,
    initializer_range: Initial = None,
    max_length: Longest = 128,
    precision: Precision = "float32",
    seed: Seed = 0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train an LSTM language model; an interrupted run resumes from its last full epoch."""
    options = {name: value for name, value in locals().items() if name in OPTIONS}
    from onegrain.models import TrainingOptions, train_nlm

    train, held_out = (corpus_from(path, format="plain") for path in (text, valid))
    finished = is_finished(out, force=force)
    folder = train_nlm(
        train, held_out, out, options=TrainingOptions(**options), force=force, progress=progress()
    )
    _report(folder, finished, as_json)


@app.command("nmt")
def nmt(
    source: Annotated[Path, typer.Option(help="Training sentences, one per line.")],
    target: Annotated[Path, typer.Option(help="File of the parallel side, one sentence per line.")],
    valid_source: Annotated[Path, typer.Option("--valid-source", help="Validation sentences.")],
    valid_target: Annotated[Path, typer.Option("--valid-target", help="Their translations.")],
    out: Out,
    hidden_size: Hidden = 500,
    layers: Layers = 2,
    vocab_size: Vocabulary = 8000,
    epochs: Epochs = 10,
    patience: Patience = 3,
    batch_size: Batch = 64,
    learning_rate: Rate = 2e-3,
    dropout: Dropout = 0.2,
    label_smoothing: Smoothing = 0.0,
    initializer_range: Initial = None,
    max_length: Longest = 128,
    precision: Precision = "float32",
    seed: Seed = 0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train an attentional LSTM translation model; an interrupted run resumes from its last full epoch."""
    options = {name: value for name, value in locals().items() if name in OPTIONS}
    from onegrain.models import TrainingOptions, train_nmt

    train, held_out = (
        corpus_from(first, target=second) for first, second in ((source, target), (valid_source, valid_target))
    )
    finished = is_finished(out, force=force)
    folder = train_nmt(
        train, held_out, out, options=TrainingOptions(**options), force=force, progress=progress()
    )
    _report(folder, finished, as_json)


OPTIONS = (
    "hidden_size",
    "layers",
    "vocab_size",
    "epochs",
    "patience",
    "batch_size",
    "learning_rate",
    "dropout",
    "label_smoothing",
    "initializer_range",
    "max_length",
    "precision",
    "seed",
)


def is_finished(out: Path, *, force: bool) -> bool:
    """Return True if a training has finished in the folder, so that the same command has nothing to do."""
    from onegrain.models.lstm.training_files import is_trained

    return not force and is_trained(out)


def _report(folder: Path, finished: bool, as_json: bool) -> None:
    import json

    if finished:
        raise already_made(folder)

    epochs: list[dict[str, Any]] = json.loads((folder / "training.json").read_text())["epochs"]
    best = min(epochs, key=lambda epoch: epoch["valid_loss"])
    emit(
        {"model": str(folder), "best epoch": best["epoch"], "validation loss (nats)": best["valid_loss"]},
        as_json,
    )
