"""Presets: networks with training settings that work, and the results of an ablation.

Taught by notebooks 14 to 17. All times are for two CPU cores.
"""

import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path

from pixelcnn_edu import data
from pixelcnn_edu.likelihoods import Bernoulli, Categorical, Likelihood
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.models import gated_pixelcnn, pixelcnn

import keras

BINARY = Bernoulli()


@dataclasses.dataclass(frozen=True, repr=False)
class Preset:
    """A network, its digits, and how to train it: one entry of `PRESETS`.

    The likelihood and ``colored`` decide whether the digits become binary images,
    images on more levels, or colored ones.
    """

    about: str
    filters: int
    depth: int
    epochs: int
    batch_size: int = 64
    learning_rate: float = 3e-3
    optimizer: str = "nadam"
    soft_targets: bool = False
    dropout: float = 0.0
    skip: bool = False
    dilations: tuple[int, ...] = (1,)
    builder: Callable = pixelcnn
    likelihood: Likelihood = BINARY
    colored: bool = False
    one_hot: bool = False
    colors: int | None = None
    num_classes: int | None = None

    def arguments(self) -> dict:
        """Return the builder's arguments: a position bias; ReLU where no gates are."""
        own = {"activation": "relu"} if self.builder is pixelcnn else {}
        if self.skip:
            own["skip"] = True
        if self.dilations != (1,):
            own["dilations"] = self.dilations
        if self.num_classes:
            own["num_classes"] = self.num_classes
        return {
            "image_shape": (28, 28, 3 if self.colored else 1),
            "filters": self.filters,
            "depth": self.depth,
            "likelihood": self.likelihood,
            "position": True,
            "dropout": self.dropout,
            "colors": self.colors,
            "one_hot": self.one_hot,
            **own,
        }

    def model(self) -> keras.Model:
        """Build the network."""
        return self.builder(**self.arguments())

    def build(self) -> dict:
        """Return the builder's name and its arguments as JSON's types, for a card."""
        about = {"name": type(self.likelihood).__name__, **self.likelihood.get_config()}
        arguments = {**self.arguments(), "likelihood": about}
        lists = {k: list(v) for k, v in arguments.items() if isinstance(v, tuple)}
        return {"builder": self.builder.__name__, "arguments": {**arguments, **lists}}

    def images(self, digits, *, seed=0):
        """Turn gray digits (N, 28, 28, 1) into images for this network.

        Binary and colored images are drawn with ``seed``. Images on more levels are
        rounded.
        """
        if self.colored:
            return data.colorize(data.binarize(digits, seed=seed), seed=seed)
        if self.likelihood.levels == 2:
            return data.binarize(digits, seed=seed)
        return data.quantize(digits, self.likelihood.levels)

    @property
    def protocol(self) -> str:
        """Return, in words, how digits become images: to train on, and to validate on."""
        told = ", the class given" if self.num_classes else ""
        if self.colored:
            seeds = "training drawn with seed 1, validation with 0"
            return f"static binarization ({seeds}), then 64 colors{told}"
        if self.likelihood.levels == 2:
            return f"dynamic binarization; validation drawn once with seed 0{told}"
        return f"rounded to {self.likelihood.levels} levels{told}"

    def recipe(self) -> dict:
        """Return the arguments for `training.fit`."""
        return {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "optimizer": self.optimizer,
            "soft_targets": self.soft_targets,
        }

    def as_data(self) -> dict:
        """Return the fields as types that JSON knows.

        Fields with their defaults are left out, except for batch_size and learning_rate.
        """
        fields = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value != field.default or field.name in ("batch_size", "learning_rate"):
                if callable(value):
                    value = value.__name__
                elif isinstance(value, tuple):
                    value = list(value)
                elif isinstance(value, Likelihood):
                    value = repr(value)
                fields[field.name] = value
        return fields

    def __repr__(self):
        fields = (f"{name}={value!r}" for name, value in self.as_data().items())
        return f"Preset({', '.join(fields)})"


# one small network for three ways to draw gray
_GRAY = functools.partial(Preset, filters=32, depth=6, epochs=3)

PRESETS = {
    "minutes": Preset(
        "the bundled digits in a few minutes",
        filters=32,
        depth=4,
        epochs=8,
        batch_size=32,
        learning_rate=1e-2,
        dropout=0.1,
    ),
    "coffee": Preset(
        "49,000 digits in a quarter of an hour", filters=48, depth=12, epochs=7
    ),
    "gated": Preset(
        "two gated stacks, nine layers",
        filters=24,
        depth=8,
        epochs=4,
        builder=gated_pixelcnn,
    ),
    "night": Preset(
        "the gated network for longer, its taps spread out, every block read at the end",
        filters=24,
        depth=8,
        epochs=30,
        learning_rate=4e-3,
        optimizer="muon",
        soft_targets=True,
        skip=True,
        dilations=(1, 2, 4, 8),
        builder=gated_pixelcnn,
    ),
    "conditional": Preset(
        "two gated stacks that are told the class",
        filters=24,
        depth=8,
        epochs=4,
        builder=gated_pixelcnn,
        num_classes=10,
    ),
    "colored": Preset(
        "colored digits, red before green before blue",
        filters=48,
        depth=6,
        epochs=2,
        learning_rate=1e-2,
        likelihood=Categorical(4),
        colored=True,
        one_hot=True,
    ),
    "colored_independent": Preset(
        "colored digits, channels of a pixel predicted independently",
        filters=48,
        depth=6,
        epochs=2,
        learning_rate=1e-2,
        likelihood=Categorical(4),
        colored=True,
        one_hot=True,
        colors=1,
    ),
    "levels_4": _GRAY("four levels of gray, a softmax", likelihood=Categorical(4)),
    "levels_256_softmax": _GRAY(
        "256 levels of gray, a softmax", likelihood=Categorical(256)
    ),
    "levels_256_mixture": _GRAY(
        "256 levels of gray, a mixture of logistics",
        likelihood=DiscretizedLogisticMixture(5, 256),
    ),
}


def digits_from(source):
    """Load MNIST digits to train a preset on, and to validate it.

    Args:
        source: as for `data.load_mnist`. ``"bundled"``: a tenth of the training digits
            validates. 60,000 training images: the last 10,000 validate, and the test images
            are left for the test. Any other number: the second set of the file validates.
            The bundled test digits are excluded from the training images.

    Returns:
        ((x, y), (x_val, y_val), a sentence that says which digits they are).

    Raises:
        ValueError: as for `data.load_mnist`.
    """
    (x, y), (x_val, y_val) = data.load_mnist(source)
    if source == "bundled":
        train, validation = data.hold_out(x, y, len(x) // 10)
        return train, validation, f"{len(train[0]):,} of the bundled training digits"
    if len(x) == 60_000:  # keep the official test digits apart
        x, y, x_val, y_val = x[:50_000], y[:50_000], x[50_000:], y[50_000:]
    named = "MNIST" if source == "full" else Path(source).name
    digits = f"{named}: the first {len(x):,} training images"
    x, y = data.exclude(x, y, data.load_mnist()[1][0])
    return (x, y), (x_val, y_val), f"{digits}, without the bundled test digits"


def name_of(source) -> str:
    """Return ``"bundled"``, ``"full"``, or a path's last part: no path of this machine."""
    return source if source in ("bundled", "full") else f"./{Path(source).name}"


ABLATION = Path(__file__).with_name("ablation.json")


def ablation() -> list[dict]:
    """Return the runs of ``benchmarks/ablation.py``. Each run makes one or a few changes.

    Each run is a dict: ``change``, ``base`` (the change to compare with), ``seed``,
    ``nats_per_image`` of 10,000 validation digits, ``standard_error``, ``weights``
    (live weights, which no mask sets to 0) and ``cpu_minutes`` (minutes of one core).
    """
    return json.loads(ABLATION.read_text("utf-8"))
