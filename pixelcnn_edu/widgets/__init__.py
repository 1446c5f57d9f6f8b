"""Explorers: figures that answer a mouse or a keyboard, for notebooks in JupyterLab."""

from pixelcnn_edu.widgets.bits import BitReader
from pixelcnn_edu.widgets.finish import FinishMyDigit
from pixelcnn_edu.widgets.fork import Fork
from pixelcnn_edu.widgets.guess import BeatTheNetwork
from pixelcnn_edu.widgets.inside import Inside
from pixelcnn_edu.widgets.morph import Morph
from pixelcnn_edu.widgets.stepper import GenerationStepper
from pixelcnn_edu.widgets.temperature import TemperatureAndSeed
from pixelcnn_edu.widgets.touch import TouchableDigit

__all__ = [
    "BeatTheNetwork",
    "BitReader",
    "FinishMyDigit",
    "Fork",
    "GenerationStepper",
    "Inside",
    "Morph",
    "TemperatureAndSeed",
    "TouchableDigit",
]
