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
import random
import re
import zipfile
from pathlib import Path

from pixelcnn_edu._checks import (
    check_finite,
    check_model,
    check_one_of,
    check_path,
    plain,
)
from pixelcnn_edu._files import atomic_write, identity_of_file, sync
from pixelcnn_edu._fingerprint import differences_of, example_inputs, fingerprint
from pixelcnn_edu._state import runs_its_graph
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.machine import in_precision
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

    Its checksum covers what makes the model, the ``build`` block and the weights, and not
    the numbers that describe it.

    Args:
        name: one of `names`.
        folder: as for `names`.

    Raises:
        ValueError: there is no model of that name, or its card is damaged.
    """
    check_one_of("name", name, names(folder))
    path = _folder(folder) / f"{name}.json"
    try:
        content = json.loads(path.read_bytes())
        parts = {"sha256": str, "build": dict}
        if all(isinstance(content[part], kind) for part, kind in parts.items()):
            return content
        why = "it is no card"
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = error
    raise ValueError(f"Cannot read {path.name} ({why}). {_way_out(folder)}")


def load(name: str, folder=None) -> keras.Model:
    """Load a pretrained model, ready for `generation.generate`.

    Args:
        name: one of `names`.
        folder: as for `names`.

    Returns:
        A `models.ImageModel` in float32.

    Raises:
        ValueError: there is no model of that name, its files are damaged, or its arrays
            do not fit the network on its card.

    Example:
        >>> load("levels_4").likelihood
        Categorical(levels=4)
    """
    content = card(name, folder)
    path = _folder(folder) / f"{name}.npz"
    raw = path.read_bytes() if path.is_file() else b""
    if _checksum(content["build"], raw) != content["sha256"]:
        raise ValueError(
            f"{path.name} does not match the checksum on its card. {_way_out(folder)}"
        )
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as file:
            arrays = [file[key] for key in sorted(file.files)]
        model = _build(content["build"], arrays)
    except (EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path.name} does not fit the network on its card ({error}). "
            f"{_way_out(folder)}"
        ) from error
    return model


def save(folder, name: str, model, card: dict):
    """Write a model as ``NAME.npz`` and its card as ``NAME.json``, for `load`.

    Args:
        folder: where to write.
        name: of both files.
        model: the model, built as ``card["build"]`` says.
        card: what the card says beside the checksum, which is added. Its ``build`` block
            is that of `presets.Preset.build`. The card may hold NumPy numbers.

    Raises:
        ValueError: ``name`` cannot be the name of a file, or is "checkpoint" or
            "checkpoint.previous", as the files of a run are called; the folder holds a file
            of this name that `save` did not write (if it holds a card that `save` wrote,
            both files are replaced); a weight is not finite; the card has no ``build``
            block, or JSON cannot hold the card; or the model is not the network of the
            ``build`` block, or has a ``call`` of its own. The precision may differ. The
            number and the shapes of the weights may not: a model after ``enable_lora`` or
            ``quantize`` is refused.
        OSError: a file could not be written. An older model of this name is unchanged.
            (If the process is killed between the last two steps, which rename one file
            each, `load` refuses the pair. Then save again.)
    """
    check_finite(check_model(model))
    if not isinstance(name, str) or not name or name != Path(name).name:
        raise ValueError(f"Expected name to be the name of a file. Received: {name!r}")
    if name in ("checkpoint", "checkpoint.previous"):
        raise ValueError(
            "Expected another name than that of a run's state, see `training.fit`. "
            f"Received: {name!r}"
        )
    folder, card = check_path("folder", folder), _through_json(card)
    refuse_foreign(name, folder)
    width = len(str(len(model.weights)))
    arrays = {
        f"{i:0{width}}_{weight.name}": np.asarray(
            weight, "float32" if keras.backend.is_float_dtype(weight.dtype) else None
        )
        for i, weight in enumerate(model.weights)
    }
    state = random.getstate()
    try:
        described = _build(card["build"], arrays.values())
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "Expected model to have the weights of the network that card['build'] "
            f"describes. Received: other weights, or no network ({error})"
        ) from error
    finally:
        random.setstate(state)  # to build a network draws seeds
    likelihood = getattr(model, "likelihood", described.likelihood)
    same = likelihood == described.likelihood and runs_its_graph(model)
    if not (same and _have_same_layers(model, described) and _same(model, described)):
        raise ValueError(
            "Expected model to be the network that card['build'] describes. Received: "
            "another network with weights of the same shapes. Are dilations, dropout, "
            "activation and likelihood in card['build'] those of the model? Does its class "
            "have a call of its own?"
        )
    folder.mkdir(parents=True, exist_ok=True)
    raw = io.BytesIO()
    np.savez(raw, **arrays)
    card["sha256"] = _checksum(card["build"], raw.getvalue())
    _write_both(folder / name, raw.getvalue(), json.dumps(card, indent=2) + "\n")


def _same(model, described):
    """Return whether two models compute the same if they have the same weights.

    Both have layers of the same classes. ``described`` gets the precision of ``model`` and
    its constraints, and the same weights are trained.
    """
    for layer, other in zip(model.layers, described.layers, strict=True):
        other.dtype_policy = layer.dtype_policy
    for weight, other in zip(model.weights, described.weights, strict=True):
        other.trainable, other.constraint = weight.trainable, weight.constraint
    inputs = example_inputs(described)
    both = [fingerprint(one, inputs) for one in (model, described)]
    return {*differences_of(model, inputs, *both)} <= {"penalties"}


def _have_same_layers(one, other):
    """Return whether layers have the same classes, and configurations but for names."""
    left_out = re.compile(
        "name|dtype|trainable|seed|.*(_initializer|regularizer|constraint)"
    )

    def settings(layer):
        config = layer.get_config().items()
        return {key: value for key, value in config if not left_out.fullmatch(key)}

    classes = [list(map(type, model.layers)) for model in (one, other)]
    return classes[0] == classes[1] and all(
        settings(a) == settings(b)
        for a, b in zip(one.layers, other.layers, strict=True)
    )


def _write_both(stem, arrays, card):
    """Write ``.npz`` and ``.json`` or, after an error, neither."""
    arrays_path, card_path = (Path(f"{stem}{kind}") for kind in (".npz", ".json"))
    old_arrays = identity_of_file(arrays_path)
    old_card = card_path.read_bytes() if card_path.is_file() else None
    try:
        with (  # both are stored before the card is replaced, and then the arrays
            atomic_write(arrays_path, synced=True) as arrays_file,
            atomic_write(card_path) as card_file,
        ):
            arrays_file.write_bytes(arrays)
            sync(arrays_file)
            card_file.write_text(card, "utf-8")
    except BaseException:
        if identity_of_file(arrays_path) == old_arrays:
            if old_card is None:
                card_path.unlink(missing_ok=True)
            elif card_path.read_bytes() != old_card:
                with atomic_write(card_path) as card_file:
                    card_file.write_bytes(old_card)
        raise


def refuse_foreign(name, folder):
    """Refuse a folder with files of this name that are not those of an earlier `save`."""
    folder = check_path("folder", folder)
    files = [folder / f"{name}{kind}" for kind in (".npz", ".json")]
    there = [file.name for file in files if file.exists()]
    try:
        earlier = name in names(folder) and card(name, folder)
    except ValueError:
        earlier = None
    if there and not earlier:
        raise ValueError(
            "Expected a folder without files of the user that have the names of the "
            f"weights and the card. Received: {folder}, with {', '.join(there)}"
        )


def _through_json(card) -> dict:
    """Return a card as it comes back from its file."""
    try:
        found = json.loads(json.dumps(card, default=_number))
        if isinstance(found["build"], dict):
            return found
        why = "no 'build' block"
    except (KeyError, TypeError, ValueError) as error:
        why = repr(error)
    raise ValueError(
        "Expected card to be a dict that JSON can hold, with a 'build' block. "
        f"Received: {card!r} ({why})"
    )


def _number(value):
    """Return the number that JSON writes for one of NumPy."""
    number = plain(value)
    if number is value:
        raise TypeError(f"no type for {value!r}")
    return number


def _way_out(folder) -> str:
    if _folder(folder) == FOLDER:
        return "Reinstall the package."
    return "Save the model again, or copy both of its files again."


def _folder(folder) -> Path:
    return FOLDER if folder is None else check_path("folder", folder)


def _checksum(build, raw) -> str:
    """Return the SHA-256 of what makes a model: the build block, and the arrays' file."""
    block = json.dumps(build, sort_keys=True).encode()
    return hashlib.sha256(block + raw).hexdigest()


def _build(block, arrays) -> keras.Model:
    """Build the network of a card's ``build`` block, in float32, with these weights.

    Raises:
        KeyError, TypeError, ValueError: the block describes no network, or the arrays are
            no weights of this network.
    """
    arguments = dict(block["arguments"])
    about = dict(arguments["likelihood"])
    arguments["likelihood"] = _LIKELIHOODS[about.pop("name")](**about)
    with in_precision("float32"):
        model = _BUILDERS[block["builder"]](**arguments)
    expected = [tuple(weight.shape) for weight in model.weights]
    received = [array.shape for array in arrays]
    if received != expected:
        raise ValueError(f"expected shapes {expected}, received {received}")
    kinds = {str(array.dtype) for array in arrays}
    if kinds != {"float32"}:
        raise ValueError(f"expected float32, received {', '.join(sorted(kinds))}")
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
