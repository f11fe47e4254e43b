from .extraction.extract import extract as extract
from .extraction.live import live_activations as live_activations
from .interop import to_torch as to_torch
from .interop import to_xarray as to_xarray
from .store.open import open_activations as open_activations
from .store.verify import verify_activations as verify_activations
