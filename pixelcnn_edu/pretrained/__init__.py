"""Pretrained weights: small models, each with a card.

A model is two files. The card ``NAME.json`` says which digits the model saw, under which
protocol, by which recipe, and how good the model is on which validation digits. Its
``build`` block names the builder in `models` and the builder's arguments. ``NAME.npz``
holds one float32 array per weight, in the order of ``model.weights``.

So `load` needs no layer that another version of Keras has serialized: `load` builds the
network and reads the arrays.
"""

import hashlib
import io
import json
from pathlib import Path

from pixelcnn_edu._checks import check_model, check_one_of, check_path
from pixelcnn_edu._device import in_precision
from pixelcnn_edu._files import atomic_write
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.models import gated_pixelcnn, pixelcnn

import keras
import numpy as np

FOLDER = Path(__file__).parent

_BUILDERS = {"pixelcnn": pixelcnn, "gated_pixelcnn": gated_pixelcnn}
_LIKELIHOODS = {
    "Bernoulli": Bernoulli,
    "Categorical": Categorical,
    "DiscretizedLogisticMixture": DiscretizedLogisticMixture,
}


def names(folder=None) -> list[str]:
    """Return the names of the models: of all ``.json`` files in the folder.

    Args:
        folder: where cards lie, such as the ``--out`` of a training run; None for the
            models of this package.
    """
    return sorted(path.stem for path in _folder(folder).glob("*.json"))


def card(name: str, folder=None) -> dict:
    """Return the card of a pretrained model.

    Args:
        name: one of `names`.
        folder: as for `names`.

    Raises:
        ValueError: there is no model of that name.
    """
    check_one_of("name", name, names(folder))
    return json.loads((_folder(folder) / f"{name}.json").read_text("utf-8"))


def load(name: str, folder=None) -> keras.Model:
    """Load a pretrained model, ready for `generation.generate`.

    Args:
        name: one of `names`.
        folder: as for `names`.

    Returns:
        A `models.ImageModel` in float32.

    Raises:
        ValueError: there is no model of that name, or its arrays do not match its card.

    Example:
        >>> load("levels_4").likelihood
        Categorical(levels=4)
    """
    content = card(name, folder)
    path = _folder(folder) / f"{name}.npz"
    raw = path.read_bytes()
    if _checksum(content["build"], raw) != content["sha256"]:
        raise ValueError(
            f"{path} does not match the checksum on its card. Reinstall the package, or "
            "save the model again."
        )
    with np.load(io.BytesIO(raw), allow_pickle=False) as file:
        return _build(content["build"], [file[key] for key in sorted(file.files)])


def save(folder, name: str, model, card: dict):
    """Write a model as ``NAME.npz`` and its card as ``NAME.json``, for `load`.

    Older files of these names are replaced.

    Args:
        folder: where to write.
        name: of both files.
        model: the model, built as ``card["build"]`` says, with weights in float32.
        card: what the card says beside the checksum, which is added. Its ``build`` block
            is that of `presets.Preset.build`. The card may hold NumPy numbers.

    Raises:
        ValueError: ``name`` cannot be the name of a file, or the model is not the network
            of the ``build`` block: it has other weights, or other logits for an image.
        OSError: a file could not be written.
    """
    if not isinstance(name, str) or not name or name != Path(name).name:
        raise ValueError(f"Expected name to be the name of a file. Received: {name!r}")
    check_model(model)
    weights = model.get_weights()
    described = _build(card["build"], weights)
    image, *label = (
        np.zeros((1, *one.shape[1:]), one.dtype) for one in described.inputs
    )
    image += np.random.default_rng(0).integers(0, 2, image.shape)
    inputs = [image, *label] if label else image
    logits = (np.asarray(one(inputs)) for one in (model, described))
    if not np.allclose(*logits, rtol=1e-3, atol=1e-3):
        raise ValueError(
            "Expected model to be the network that card['build'] describes. Received: "
            "another network with weights of the same shapes"
        )
    width = len(str(len(weights)))
    named = zip(model.weights, weights, strict=True)
    arrays = {f"{i:0{width}}_{one.name}": array for i, (one, array) in enumerate(named)}
    raw = io.BytesIO()
    np.savez(raw, **arrays)
    content = {**card, "sha256": _checksum(card["build"], raw.getvalue())}
    text = json.dumps(content, indent=2, default=lambda number: number.item()) + "\n"
    folder = check_path("folder", folder)
    folder.mkdir(parents=True, exist_ok=True)
    with (
        atomic_write(folder / f"{name}.npz") as arrays_path,
        atomic_write(folder / f"{name}.json") as card_path,
    ):
        arrays_path.write_bytes(raw.getvalue())
        card_path.write_text(text, "utf-8")


def _folder(folder) -> Path:
    return FOLDER if folder is None else check_path("folder", folder)


def _checksum(build, raw) -> str:
    """Return the SHA-256 of what makes a model: the build block, and the arrays' file."""
    block = json.dumps(build, sort_keys=True).encode()
    return hashlib.sha256(block + raw).hexdigest()


def _build(block, arrays) -> keras.Model:
    """Build the network of a card's ``build`` block, in float32, with these weights."""
    arguments = dict(block["arguments"])
    about = dict(arguments["likelihood"])
    arguments["likelihood"] = _LIKELIHOODS[about.pop("name")](**about)
    with in_precision("float32"):
        model = _BUILDERS[block["builder"]](**arguments)
    shapes = [weight.shape for weight in model.weights], [a.shape for a in arrays]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"Expected weights of the shapes {shapes[0]}, as the card says. "
            f"Received: {shapes[1]}"
        )
    model.set_weights(list(arrays))
    return model


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
            cores = one["machine"].split(" core")[0]
            lines.append(
                f"| {protocol} | `{name}` | {one['recipe']['about']} "
                f"| {one['weights']:,} | {one['minutes']:.0f} ({cores}) "
                f"| {one['nats_per_image']:.2f} ± {one['standard_error']:.2f} "
                f"| {one['bits_per_dim']:.4f} |"
            )
    return "\n".join(lines)
