"""Explorers: figures that answer a mouse or a keyboard, for notebooks in JupyterLab."""

from pixelcnn_edu.widgets.drawing import FinishMyDigit, Fork, Morph, TemperatureAndSeed
from pixelcnn_edu.widgets.reading import (
    BeatTheNetwork,
    BitReader,
    GenerationStepper,
    TouchableDigit,
)

__all__ = [
    "BeatTheNetwork",
    "BitReader",
    "FinishMyDigit",
    "Fork",
    "GenerationStepper",
    "Morph",
    "TemperatureAndSeed",
    "TouchableDigit",
]
