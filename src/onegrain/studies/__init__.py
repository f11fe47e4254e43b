"""Studies: an experiment from one TOML file."""

from __future__ import annotations

from onegrain.studies.gather import gather, write_folder_report
from onegrain.studies.read import read_study
from onegrain.studies.run import demo_study, run_study
from onegrain.studies.study import Study

__all__ = ["Study", "demo_study", "gather", "read_study", "run_study", "write_folder_report"]
