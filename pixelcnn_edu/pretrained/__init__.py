"""Pretrained weights: small models, each with a card.

A card (JSON) says which digits the model saw, under which protocol, by which recipe, how
good it is on which held-out digits, and how to build it again.
"""

import hashlib
import json
from pathlib import Path

import keras

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names that `load` and `card` accept."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def card(name: str) -> dict:
    """Return the card of a pretrained model.

    Raises:
        ValueError: there is no model of that name.
    """
    if name not in names():
        raise ValueError(f"Expected name to be one of {names()}. Received: {name!r}")
    return json.loads((FOLDER / f"{name}.json").read_text())


def load(name: str) -> keras.Model:
    """Load a pretrained model, ready for `generation.generate`.

    Raises:
        ValueError: there is no model of that name, or its file is damaged.
    """
    expected = card(name)["sha256"]
    path = FOLDER / f"{name}.keras"
    if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
        raise ValueError(
            f"{path.name} does not match the checksum on its card. Reinstall the package."
        )
    return keras.models.load_model(path)
