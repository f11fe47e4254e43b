"""Options for loading a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onegrain.cli.options.headings import MODEL
from onegrain.cli.options.pairs import split_pair

if TYPE_CHECKING:
    from onegrain.models import LoadedModel

__all__ = [
    "AllowPickle",
    "DeviceMap",
    "Dictionaries",
    "ModelDevice",
    "ModelDtype",
    "OffloadFolder",
    "SourceLanguage",
    "TargetLanguage",
    "TrustRemoteCode",
    "model_from",
]

ModelDevice = Annotated[
    str | None,
    typer.Option(
        "--model-device",
        help="Device that the model runs on; CUDA if it is available.",
        rich_help_panel=MODEL,
    ),
]
DeviceMap = Annotated[
    str | None,
    typer.Option(
        "--device-map",
        help="Placement of the model on several devices: auto, balanced, ..., or a JSON object from module to "
        "device, cpu or disk.",
        rich_help_panel=MODEL,
    ),
]
OffloadFolder = Annotated[
    Path | None,
    typer.Option(
        "--offload-folder", help="Folder for the weights that --device-map puts on disk.", rich_help_panel=MODEL
    ),
]
ModelDtype = Annotated[
    str,
    typer.Option(
        "--model-dtype", help="Precision of the model: float32, float16 or bfloat16.", rich_help_panel=MODEL
    ),
]
Dictionaries = Annotated[
    list[str] | None,
    typer.Option(
        "--dictionary",
        help="Dictionary at a site, SITE=FOLDER, as SAELens or svcca saves it; its latents are "
        "the site SITE.latents.",
        rich_help_panel=MODEL,
    ),
]
TrustRemoteCode = Annotated[
    bool,
    typer.Option("--trust-remote-code", help="Run the code in the model's repository.", rich_help_panel=MODEL),
]
AllowPickle = Annotated[
    bool, typer.Option("--allow-pickle", help="Load weights stored as pickles.", rich_help_panel=MODEL)
]

SourceLanguage = Annotated[
    str | None,
    typer.Option(
        "--source-language", help="Language of the input, as the tokenizer names it.", rich_help_panel=MODEL
    ),
]
TargetLanguage = Annotated[
    str | None,
    typer.Option(
        "--target-language", help="Language of the output, as the tokenizer names it.", rich_help_panel=MODEL
    ),
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
