"""``onegrain neuronpedia``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.console import emit
from onegrain.cli.options.output import Force, Json, out_option

NAME = "neuronpedia"


def run(
    cards: Annotated[Path, typer.Argument(help="Neuron cards, *.json.")],
    store: Annotated[str, typer.Argument(help="Store that the cards were made from, a folder or a URL.")],
    out: Annotated[Path, out_option("Folder to write.")],
    model_id: Annotated[str, typer.Option(help="The model's id at Neuronpedia, such as gpt2-small.")],
    source_set: Annotated[str, typer.Option(help="Id of the source set, without the layer.")],
    release: Annotated[str, typer.Option(help="Id of the release.")],
    title: Annotated[str, typer.Option(help="One line about the release.")],
    creator: Annotated[str, typer.Option(help="Name of the creator to show.")],
    creator_id: Annotated[str, typer.Option(help="Id of the account at Neuronpedia that the data belong to.")],
    description: Annotated[str, typer.Option(help="Description of the source set.")] = "",
    url: Annotated[str | None, typer.Option(help="URL of a paper or a page.")] = None,
    visibility: Annotated[str, typer.Option(help="Visibility: PUBLIC, UNLISTED or PRIVATE.")] = "PUBLIC",
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write neuron cards as the files that Neuronpedia imports."""
    from onegrain.activations import open_activations
    from onegrain.core.output import require_writable_output
    from onegrain.formats import NeuronpediaRelease, export_neuronpedia
    from onegrain.formats.neuronpedia.export import LAYOUT
    from onegrain.records.cards import NeuronCards

    require_writable_output(out, force=force, ours=LAYOUT)
    names = NeuronpediaRelease(
        model_id=model_id,
        source_set=source_set,
        release=release,
        title=title,
        creator=creator,
        creator_id=creator_id,
        description=description,
        url=url,
        visibility=visibility,
    )
    loaded = NeuronCards.load(cards)
    folders = export_neuronpedia(loaded, open_activations(store), out, names, force=force)
    emit({"neurons": len(loaded), "sources": [str(folder) for folder in folders]}, as_json)
