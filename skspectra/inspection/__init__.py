"""Looking inside: which channels a prediction rests on, what is made of hidden ones."""

from skspectra.inspection._oscillators import OscillatorDisplay
from skspectra.inspection._reconstruction_display import ReconstructionDisplay
from skspectra.inspection._saliency import saliency_map
from skspectra.inspection._saliency_display import SaliencyDisplay

__all__ = [
    "OscillatorDisplay",
    "ReconstructionDisplay",
    "SaliencyDisplay",
    "saliency_map",
]
