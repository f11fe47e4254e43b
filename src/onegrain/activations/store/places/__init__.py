"""The places that hold the files of a store: a local folder, or a place that fsspec reaches by a URL."""
