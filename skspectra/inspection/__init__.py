"""Looking inside: which channels a prediction rests on, what is made of hidden ones."""

from skspectra.inspection._embedding_display import EmbeddingDisplay
from skspectra.inspection._loss_curve_display import LossCurveDisplay
from skspectra.inspection._oscillators import OscillatorDisplay
from skspectra.inspection._prediction_display import PredictionDisplay
from skspectra.inspection._reconstruction_display import ReconstructionDisplay
from skspectra.inspection._saliency import saliency_map
from skspectra.inspection._saliency_display import SaliencyDisplay
from skspectra.inspection._spectra_display import SpectraDisplay

__all__ = [
    "EmbeddingDisplay",
    "LossCurveDisplay",
    "OscillatorDisplay",
    "PredictionDisplay",
    "ReconstructionDisplay",
    "SaliencyDisplay",
    "SpectraDisplay",
    "saliency_map",
]
