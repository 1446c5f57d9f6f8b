"""Presets: networks and recipes that were tried, by the time they take.

Taught by notebook 08. Times are those of two CPU cores.
"""

import dataclasses

from pixelcnn_edu.models import pixelcnn

import keras


@dataclasses.dataclass(frozen=True)
class Preset:
    """A network and how to train it: one entry of `PRESETS`."""

    about: str
    filters: int
    depth: int
    epochs: int
    batch_size: int
    learning_rate: float
    dropout: float = 0.0

    def model(self) -> keras.Model:
        """Build the network, with ReLU and a position bias."""
        return pixelcnn(
            filters=self.filters,
            depth=self.depth,
            activation="relu",
            position=True,
            dropout=self.dropout,
        )

    def recipe(self) -> dict:
        """Return the arguments for `fit`."""
        return {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
        }


PRESETS = {
    "minutes": Preset(
        "the 4,000 bundled digits in about a minute",
        filters=32,
        depth=4,
        epochs=8,
        batch_size=32,
        learning_rate=1e-2,
        dropout=0.1,
    ),
    "coffee": Preset(
        "50,000 digits in about half an hour",
        filters=48,
        depth=12,
        epochs=8,
        batch_size=64,
        learning_rate=3e-3,
    ),
}
