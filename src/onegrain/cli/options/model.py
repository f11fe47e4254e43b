"""The options by which a verb is told how to load a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onegrain.cli.options.pairs import split_pair

if TYPE_CHECKING:
    from onegrain.models import LoadedModel

__all__ = [
    "AllowPickle",
    "Device",
    "DeviceMap",
    "Dictionaries",
    "ModelDtype",
    "OffloadFolder",
    "SourceLanguage",
    "TargetLanguage",
    "TrustRemoteCode",
    "model_from",
]

Device = Annotated[str | None, typer.Option("--device", help="cpu, cuda, ...; CUDA where there is one.")]
DeviceMap = Annotated[
    str | None,
    typer.Option(
        "--device-map",
        help="Spread the model over devices: auto, balanced, ..., or JSON from module to device, cpu or disk.",
    ),
]
OffloadFolder = Annotated[
    Path | None, typer.Option("--offload-folder", help="Where weights lie that --device-map puts on disk.")
]
ModelDtype = Annotated[
    str,
    typer.Option("--model-dtype", help="Precision of the model: float32, float16 or bfloat16."),
]
Dictionaries = Annotated[
    list[str] | None,
    typer.Option(
        "--dictionary",
        help="A dictionary at a site, SITE=FOLDER as SAELens or svcca saves it; its site is SITE.latents.",
    ),
]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run code that the model's repository brings.")
]
AllowPickle = Annotated[bool, typer.Option("--allow-pickle", help="Load weights that are not safetensors.")]

SourceLanguage = Annotated[
    str | None,
    typer.Option("--source-language", help="Language that the model reads, as its tokenizer calls it."),
]
TargetLanguage = Annotated[
    str | None,
    typer.Option("--target-language", help="Language that the model writes, as its tokenizer calls it."),
]


def model_from(
    name: str,
    *,
    device: str | None,
    device_map: str | None,
    offload_folder: Path | None,
    dtype: str,
    dictionaries: list[str] | None,
    trust_remote_code: bool,
    allow_pickle: bool,
    source_language: str | None = None,
    target_language: str | None = None,
) -> LoadedModel:
    """Load the model that the options describe."""
    from onegrain.models import load_model

    loaded = load_model(
        name,
        device=device,
        dtype=dtype,
        device_map=_device_map(device_map),
        offload_folder=offload_folder,
        trust_remote_code=trust_remote_code,
        allow_pickle=allow_pickle,
        source_language=source_language,
        target_language=target_language,
    )
    for pair in dictionaries or []:
        loaded = loaded.with_dictionary(*split_pair(pair, "--dictionary"))
    return loaded


def _device_map(text: str | None) -> Any:
    from onegrain.errors import ParameterError

    if text is None or not text.lstrip().startswith("{"):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ParameterError(f"--device-map is not JSON: {error}") from error
