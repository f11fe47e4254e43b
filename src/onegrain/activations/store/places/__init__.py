"""Where the files of a store lie: a folder of this machine, or a place that fsspec reaches by a URL."""
