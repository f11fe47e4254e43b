"""Read and write the files of other programs."""

from __future__ import annotations

from onegrain.formats.neuronpedia.export import export_neuronpedia
from onegrain.formats.neuronpedia.rows import NeuronpediaRelease
from onegrain.formats.neurox import export_neurox, import_neurox

__all__ = ["NeuronpediaRelease", "export_neuronpedia", "export_neurox", "import_neurox"]
