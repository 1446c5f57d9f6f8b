"""Explorers: figures that answer a mouse or a keyboard, for notebooks in JupyterLab."""

from pixelcnn_edu.widgets.finish import FinishMyDigit
from pixelcnn_edu.widgets.fork import Fork
from pixelcnn_edu.widgets.morph import Morph
from pixelcnn_edu.widgets.reading import (
    BeatTheNetwork,
    BitReader,
    GenerationStepper,
    TouchableDigit,
)
from pixelcnn_edu.widgets.temperature import TemperatureAndSeed

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
