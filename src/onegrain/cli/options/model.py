"""Options for loading a model."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onegrain.cli.options.headings import MODEL
from onegrain.cli.options.pairs import split_pair

if TYPE_CHECKING:
    from onegrain.models import LoadedModel

__all__ = [
    "AllowPickle",
    "BasicLoadingOptions",
    "DeviceMap",
    "Dictionaries",
    "LoadingOptions",
    "ModelDevice",
    "ModelDtype",
    "OffloadFolder",
    "SourceLanguage",
    "TargetLanguage",
    "TrustRemoteCode",
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


@dataclass(frozen=True)
class BasicLoadingOptions:
    """The most common options for loading a model, for verbs with many others."""

    model_dtype: ModelDtype = "float32"
    trust_remote_code: TrustRemoteCode = False
    source_language: SourceLanguage = None
    target_language: TargetLanguage = None

    def load(self, name: str, device: str | None, dictionaries: list[str] | None = None) -> LoadedModel:
        """Load a model, with dictionaries given as SITE=FOLDER."""
        return LoadingOptions(**asdict(self)).load(name, device, dictionaries)


@dataclass(frozen=True)
class LoadingOptions:
    """The options for loading a model, besides its device, which verbs name differently."""

    device_map: DeviceMap = None
    offload_folder: OffloadFolder = None
    model_dtype: ModelDtype = "float32"
    trust_remote_code: TrustRemoteCode = False
    allow_pickle: AllowPickle = False
    source_language: SourceLanguage = None
    target_language: TargetLanguage = None

    def load(self, name: str, device: str | None, dictionaries: list[str] | None = None) -> LoadedModel:
        """Load a model, with dictionaries given as SITE=FOLDER."""
        from onegrain.models import load_model

        loaded = load_model(
            name,
            device=device,
            dtype=self.model_dtype,
            device_map=_device_map(self.device_map),
            offload_folder=self.offload_folder,
            trust_remote_code=self.trust_remote_code,
            allow_pickle=self.allow_pickle,
            source_language=self.source_language,
            target_language=self.target_language,
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
