"""Pretrained weights: small models, each with a card.

A card (JSON) says which digits the model saw, under which protocol, by which recipe, how
good it is on which validation digits, and how to build it again.
"""

import hashlib
import json
from pathlib import Path

from pixelcnn_edu.mixture import DiscretizedLogisticMixture

import keras

# `levels_256_mixture.keras` holds the class under its earlier name
keras.saving.get_custom_objects()["pixelcnn_edu>LogisticMixture"] = (
    DiscretizedLogisticMixture
)

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names that `load` and `card` accept."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def card(name: str) -> dict:
    """Return the card of a pretrained model.

    Raises:
        ValueError: there is no model of that name, or its card is damaged.
    """
    if name not in names():
        raise ValueError(f"Expected name to be one of {names()}. Received: {name!r}")
    path = FOLDER / f"{name}.json"
    try:
        content = json.loads(path.read_bytes())
        if isinstance(content, dict) and isinstance(content["sha256"], str):
            return content
        why = "it is no card"
    except (OSError, ValueError, KeyError) as error:
        why = error
    raise ValueError(f"Cannot read {path.name} ({why}). Reinstall the package.")


def load(name: str) -> keras.Model:
    """Load a pretrained model, ready for `generation.generate`.

    Raises:
        ValueError: there is no model of that name, or its file is damaged.
    """
    expected = card(name)["sha256"]
    path = FOLDER / f"{name}.keras"
    whole = path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == expected
    if not whole:
        raise ValueError(
            f"{path.name} does not match the checksum on its card. Reinstall the package."
        )
    return keras.models.load_model(path)


def results_table() -> str:
    """Return all cards as one Markdown table, grouped by protocol.

    Rows of one protocol may be compared, by the difference of their nats; rows of two
    protocols never. Live weights are those that no mask sets to 0.
    """
    head = "| validation digits | model | what it is | live weights | minutes (cores) "
    lines = [
        head + "| nats per image | bits per dim |",
        "|---|---|---|---|---|---|---|",
    ]
    cards = {name: card(name) for name in names()}
    protocols = sorted({one["protocol"] for one in cards.values()})
    for protocol in protocols:
        rows = [(n, c) for n, c in cards.items() if c["protocol"] == protocol]
        for name, one in sorted(rows, key=lambda row: row[1]["nats_per_image"]):
            cores = one["machine"].split()[0]
            lines.append(
                f"| {protocol} | `{name}` | {one['recipe']['about']} "
                f"| {one['weights']:,} | {one['minutes']:.0f} ({cores}) "
                f"| {one['nats_per_image']:.2f} ± {one['standard_error']:.2f} "
                f"| {one['bits_per_dim']:.4f} |"
            )
    return "\n".join(lines)
