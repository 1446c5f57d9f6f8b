"""Pretrained weights: whole, as good as their cards say, and not trained on the test."""

import dataclasses
import errno
import functools
import io
import json
import os
import random
import shlex
from pathlib import Path

from pixelcnn_edu import (
    __main__,
    causality,
    data,
    evaluation,
    generation,
    models,
    pretrained,
)
from pixelcnn_edu.likelihoods import Categorical
from pixelcnn_edu.presets import PRESETS

import keras
import numpy as np
import pytest

FIELDS = {
    "digits",
    "training_images",
    "validation_images",
    "protocol",
    "nats_per_image",
    "standard_error",
    "weights",
    "recipe",
    "seed",
    "precision",
    "minutes",
    "machine",
    "date",
    "sha256",
    "rebuild",
}


@pytest.fixture(scope="module", params=pretrained.names())
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    return pretrained.load(name)


def test_there_are_pretrained_models():
    assert "coffee" in pretrained.names()


def test_cards_say_all_that_is_needed(name):
    card = pretrained.card(name)
    assert card.keys() >= FIELDS
    assert "without the bundled test" in card["digits"]
    assert card["training_images"] == 50_000 - 1000  # all 1,000 lie among the 50,000
    assert (pretrained.FOLDER / f"{name}.npz").stat().st_size <= 2_000_000


def test_the_build_block_is_the_preset_s(name):
    assert pretrained.card(name)["build"] == PRESETS[name].build()


def test_the_arrays_are_float32_in_the_order_of_the_weights(name, model):
    weights = model.weights
    with np.load(pretrained.FOLDER / f"{name}.npz") as file:
        assert list(file) == sorted(file)
        for (key, array), weight in zip(file.items(), weights, strict=True):
            assert key.endswith(f"_{weight.name}") and array.dtype == "float32"
            np.testing.assert_array_equal(array, weight)


def test_the_card_s_command_builds_it_again(name):
    card = pretrained.card(name)
    python, module, called, *rest = shlex.split(card["rebuild"])
    assert (python, module, called) == ("python", "-m", "pixelcnn_edu")
    args = __main__.parser().parse_args(rest)
    assert (args.name, args.digits) == (name, "full")
    assert (args.seed, args.precision) == (card["seed"], card["precision"])


def test_models_are_causal_and_near_their_cards_on_the_bundled_test_digits(name, model):
    card, preset = pretrained.card(name), PRESETS[name]
    assert models.live_weights(model) == card["weights"]
    assert preset.as_data().items() <= card["recipe"].items()
    assert model.likelihood == preset.likelihood
    digits, classes = data.load_mnist()[1]
    digits, classes = digits[:400], classes[:400]
    labels = classes if preset.num_classes else None
    images = preset.images(digits)
    nats = evaluation.nats_per_image(model, images, labels=labels, batch_size=64)
    mean, error = evaluation.mean_and_standard_error(nats)
    # other digits than the card's, so only close: three standard errors of both
    assert abs(mean - card["nats_per_image"]) < 3 * (error + card["standard_error"])
    if name in ("coffee", "night", "conditional", "colored", "levels_256_mixture"):
        causality.assert_causal(on_12_by_12(name, model), trials=1)  # one of each kind


def on_12_by_12(name, model):
    """The network with the same weights for smaller images, in which all kernels fit."""
    arguments = PRESETS[name].arguments()
    arguments["image_shape"] = 12, 12, arguments["image_shape"][-1]
    small = PRESETS[name].builder(**arguments)
    for weight, whole in zip(small.weights, model.weights, strict=True):
        weight.assign(whole[tuple(map(slice, weight.shape))])  # crops the position bias
    return small


def test_drawn_digits_have_the_ink_of_real_ones(name, model):
    preset = PRESETS[name]
    digits, classes = data.load_mnist()[1]
    labels = classes[:16] if preset.num_classes else None
    few = preset.likelihood.levels <= 4  # few rounds are enough
    method = "fixed_point" if few else "cached"
    drawn = generation.generate(model, 16, seed=0, labels=labels, method=method)
    real = preset.images(digits)
    # a colored page has no ink, but as many edges as a real one
    measure = edges if preset.colored else np.mean
    if preset.colored and preset.colors == 1:  # channels that do not know each other
        assert measure(drawn) > 1.25 * measure(real)  # speckle
    else:
        assert measure(drawn) == pytest.approx(measure(real), rel=0.25)


def edges(images):
    """The share of neighbors, left and right, that differ."""
    return (images[:, :, 1:] != images[:, :, :-1]).any(axis=-1).mean()


def test_the_results_table_has_a_row_for_every_card_and_is_the_readme_s():
    table = pretrained.results_table()
    for name in pretrained.names():
        card = pretrained.card(name)
        figure = f"{card['nats_per_image']:.2f} ± {card['standard_error']:.2f}"
        (row,) = [line for line in table.splitlines() if f"| `{name}` |" in line]
        assert figure in row
    page = pretrained.FOLDER.parents[1] / "docs" / "results.md"
    assert table in page.read_text("utf-8")


def test_the_readme_tells_stored_weights_from_live_ones():
    readme = (pretrained.FOLDER.parents[1] / "docs/results.md").read_text("utf-8")
    words = " ".join(readme.split())
    model = models.pixelcnn(filters=128, depth=6)
    stored, live = model.count_params(), models.live_weights(model)
    assert f"stores {stored:,} weights" in words
    assert f"set {stored - live:,} of them to 0, so {live:,} are live" in words


def test_damaged_or_unknown_weights_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="Expected name to be one of"):
        pretrained.load("tea")
    raw = bytearray((pretrained.FOLDER / "coffee.npz").read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "coffee.npz").write_bytes(raw)
    (tmp_path / "coffee.json").write_text(
        json.dumps(pretrained.card("coffee")), "utf-8"
    )
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="coffee.npz does not match the checksum"):
        pretrained.load("coffee")


TINY = {
    "builder": "pixelcnn",
    "arguments": {
        "image_shape": [4, 4, 1],
        "filters": 4,
        "depth": 1,
        "likelihood": {"name": "Categorical", "levels": 3},
    },
}


def tiny(**more):
    arguments = {"filters": 4, "depth": 1, "likelihood": Categorical(3), **more}
    return models.pixelcnn((4, 4, 1), **arguments)


def test_a_saved_model_is_loaded_from_its_folder(tmp_path):
    model = tiny()
    pretrained.save(tmp_path, "mine", model, {"build": TINY, "note": "mine"})
    assert pretrained.names(tmp_path) == ["mine"]
    assert pretrained.card("mine", tmp_path)["note"] == "mine"
    loaded = pretrained.load("mine", tmp_path)
    assert loaded.likelihood == model.likelihood
    for ours, saved in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours, saved)


def test_a_model_is_float32_again_whatever_the_policy_is(tmp_path):
    pretrained.save(tmp_path, "mine", tiny(), {"build": TINY})
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        loaded = pretrained.load("mine", tmp_path)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.dtype_policy.name for layer in loaded.layers} == {"float32"}


@pytest.mark.parametrize(
    ("build", "words"),
    [
        ({**TINY, "builder": "unet"}, "unet"),
        ({**TINY, "arguments": {**TINY["arguments"], "depth": 2}}, "expected shapes"),
        ({**TINY, "arguments": {**TINY["arguments"], "filters": 6}}, "expected shapes"),
        ({**TINY, "arguments": {**TINY["arguments"], "filters": 3}}, "even"),
        ({**TINY, "arguments": {**TINY["arguments"], "width": 3}}, "width"),
        ({"builder": "pixelcnn"}, "arguments"),
        ({**TINY, "builder": ["pixelcnn"]}, "unhashable"),
    ],
)
def test_arrays_that_do_not_fit_the_card_are_refused(build, words, tmp_path):
    with pytest.raises(ValueError, match=f"Expected model to have .*{words}"):
        pretrained.save(tmp_path, "mine", tiny(), {"build": build})
    assert not list(tmp_path.iterdir())
    arrays = [weight.numpy() for weight in tiny().weights]
    raw = npz(**{f"{i:02}": array for i, array in enumerate(arrays)})
    forge(tmp_path, raw, build)
    message = f"mine.npz does not fit the network on its card .*{words}.*copy both"
    with pytest.raises(ValueError, match=message):
        pretrained.load("mine", tmp_path)


def dilated(**more):
    arguments = {"filters": 4, "depth": 2, "likelihood": Categorical(3), **more}
    return models.gated_pixelcnn((4, 4, 1), **arguments)


def as_block(builder="gated_pixelcnn", **more):
    arguments = {**TINY["arguments"], **more}
    return {"build": {"builder": builder, "arguments": arguments}}


def half(build, **arguments):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        return build(**arguments)
    finally:
        keras.config.set_dtype_policy("float32")


@functools.wraps(keras.activations.relu)
def tripled(x):
    return 3 * keras.activations.relu(x)


def with_activation(function):
    """A model in whose configuration the function cannot be told from relu."""
    model = tiny(activation="relu")
    for layer in model.layers:
        if isinstance(layer, keras.layers.Activation):
            layer.activation = function
    return model


def frozen(model):
    model.layers[-1].trainable = False
    return model


class Own(keras.layers.Layer):
    """A layer that Keras cannot describe, and that changes nothing."""

    def __init__(self, setting):
        super().__init__()

    def call(self, x):
        return x


def with_own_layer(model):
    logits = Own(1)(model.output)
    return models.ImageModel(model.inputs, logits, likelihood=model.likelihood)


def with_squared_images():
    """A plain Keras model, which carries no likelihood. With images of 0 and 1, x² = x."""
    image = keras.Input((4, 4, 1))
    return keras.Model(image, tiny().call(image**2))


MIXTURE = {"name": "DiscretizedLogisticMixture", "components": 1, "levels": 3}


@pytest.mark.parametrize(
    ("model", "card"),
    [
        (lambda: dilated(dilations=(1, 2)), as_block(depth=2)),
        (lambda: dilated(dilations=(1, 2)), as_block(depth=2, dilations=[2, 1])),
        (dilated, as_block(depth=2, dilations=[1, 2])),
        (lambda: dilated(dropout=0.5), as_block(depth=2)),
        (dilated, as_block(depth=2, likelihood=MIXTURE)),
        (lambda: tiny(activation="relu"), as_block("pixelcnn", activation="elu")),
        (lambda: tiny(activation="relu"), as_block("pixelcnn", activation="relu6")),
        (
            lambda: half(tiny, activation="mish"),
            as_block("pixelcnn", activation="silu"),
        ),
        (lambda: dilated(dropout=0.5), as_block(depth=2, dropout=0.49999)),
        (lambda: with_activation(tripled), as_block("pixelcnn", activation="relu")),
        (lambda: with_own_layer(tiny()), {"build": TINY}),
        (with_squared_images, {"build": TINY}),
        (
            lambda: frozen(with_activation(tripled)),
            as_block("pixelcnn", activation="relu"),
        ),
    ],
)
def test_another_network_of_the_same_weights_is_refused(model, card, tmp_path):
    """The file was written, and another network was loaded from it."""
    with pytest.raises(ValueError, match="Expected model to be the network that card"):
        pretrained.save(tmp_path, "mine", model(), card)
    assert not list(tmp_path.iterdir())


def test_a_model_that_does_not_run_its_graph_is_refused(tmp_path):
    """The file was written, and another network was loaded from it."""

    class Halved(models.ImageModel):
        def call(self, *args, **kwargs):
            return super().call(*args, **kwargs) / 2

    plain = tiny()
    own = Halved(plain.inputs, plain.outputs, likelihood=plain.likelihood)
    with pytest.raises(ValueError, match="Received: another .* a call of its own"):
        pretrained.save(tmp_path, "mine", own, {"build": TINY})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["mine.npz", "mine.json"])
def test_files_of_the_user_are_not_overwritten(name, tmp_path):
    (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(ValueError, match=f"without files of the user .*{name}"):
        pretrained.save(tmp_path, "mine", tiny(), {"build": TINY})
    assert (tmp_path / name).read_bytes() == b"{}" and len(
        list(tmp_path.iterdir())
    ) == 1


def test_precision_and_what_can_be_trained_make_no_other_network(tmp_path):
    """Nor does a class of its own, nor a file in between."""
    card = as_block(depth=2, dilations=[1, 2], dropout=0.25)
    model = half(dilated, dilations=(1, 2), dropout=0.25)
    model.layers[1].weights[0].constraint = keras.constraints.MaxNorm(0.1)
    model.trainable = False
    model.compile("adam", "mse")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for one in (model, loaded, keras.Model(model.inputs, model.outputs)):
        pretrained.save(tmp_path, "mine", one, card)
        again = pretrained.load("mine", tmp_path)
        for ours, saved in zip(again.weights, one.weights, strict=True):
            np.testing.assert_array_equal(ours, saved)


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["str", "complex64"])
def test_arrays_of_another_type_are_refused(kind, tmp_path):
    arrays = [weight.numpy().astype(kind) for weight in tiny().weights]
    forge(tmp_path, npz(**{f"{i:02}": array for i, array in enumerate(arrays)}))
    with pytest.raises(ValueError, match=r"mine.npz does not fit .*expected float32"):
        pretrained.load("mine", tmp_path)


@pytest.mark.parametrize("raw", [b"", b"PK", b"no archive"])
def test_a_file_that_is_no_archive_is_refused(raw, tmp_path):
    forge(tmp_path, raw)
    with pytest.raises(ValueError, match=r"mine.npz does not fit .*copy both"):
        pretrained.load("mine", tmp_path)


def forge(folder, raw, build=TINY):
    """Write a file of weights with a card that has its checksum."""
    card = {"build": build, "sha256": pretrained._checksum(build, raw)}
    (folder / "mine.npz").write_bytes(raw)
    (folder / "mine.json").write_text(json.dumps(card), "utf-8")


def with_lora(model):
    model.layers[-1].enable_lora(2)


def in_eight_bits(model):
    next(one for one in model.layers if hasattr(one, "embeddings")).quantize("int8")


@pytest.mark.parametrize("change", [with_lora, in_eight_bits])
def test_a_model_of_other_weights_does_not_replace_an_older_one(change, tmp_path):
    """The file was written, and could never be read."""
    arguments = {"filters": 4, "depth": 1, "num_classes": 3}
    model = models.gated_pixelcnn((4, 4, 1), likelihood=Categorical(3), **arguments)
    arguments |= {
        "image_shape": [4, 4, 1],
        "likelihood": TINY["arguments"]["likelihood"],
    }
    card = {"build": {"builder": "gated_pixelcnn", "arguments": arguments}}
    pretrained.save(tmp_path, "mine", model, card)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    change(model)
    with pytest.raises(ValueError, match="Expected model to have the weights"):
        pretrained.save(tmp_path, "mine", model, card)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    pretrained.load("mine", tmp_path)


def test_saving_draws_no_random_number(tmp_path):
    model = tiny()
    state = random.getstate()
    pretrained.save(tmp_path, "mine", model, {"build": TINY})
    assert random.getstate() == state


def test_a_card_may_hold_numbers_of_numpy(tmp_path):
    card = {"build": TINY, "nats": np.float32(0.5), "count": np.int64(3)}
    pretrained.save(tmp_path, "mine", tiny(), card)
    saved = pretrained.card("mine", tmp_path)
    assert (saved["nats"], saved["count"]) == (0.5, 3)


def test_an_error_while_a_model_is_saved_loses_nothing(tmp_path, monkeypatch):
    pretrained.save(tmp_path, "mine", tiny(), {"build": TINY})
    before, other = (
        {path.name: path.read_bytes() for path in tmp_path.iterdir()},
        tiny(),
    )
    for card in (None, {}, {"build": 3}, {"build": TINY, "note": {1, 2}}):
        with pytest.raises(ValueError, match="Expected card to be a dict that JSON"):
            pretrained.save(tmp_path, "mine", other, card)
    write = Path.write_text

    def full(path, text, *how):
        write(path, text[:9], *how)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        pretrained.save(tmp_path, "mine", other, {"build": TINY})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_that_is_given_labels_has_a_protocol_of_its_own(name):
    plain = dataclasses.replace(PRESETS[name], num_classes=None)
    assert dataclasses.replace(plain, num_classes=10).protocol != plain.protocol


@pytest.mark.parametrize("file", [1, 2])
def test_a_disk_that_is_full_when_a_file_is_stored_loses_nothing(
    file, tmp_path, monkeypatch
):
    pretrained.save(tmp_path, "mine", tiny(), {"build": TINY})
    before, calls = {p.name: p.read_bytes() for p in tmp_path.iterdir()}, []

    def full(_):
        calls.append(_)
        if len(calls) == file:
            raise OSError(errno.EDQUOT, "quota")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="quota"):
        pretrained.save(tmp_path, "mine", tiny(), {"build": TINY})
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    pretrained.save(tmp_path, "mine", tiny(), {"build": TINY})
    assert len(calls) == file + 2, "a third file could fail when one was replaced"


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), KeyboardInterrupt()])
@pytest.mark.parametrize("renames", [1, 2])
@pytest.mark.parametrize("has_older", [True, False])
def test_a_file_that_cannot_be_replaced_loses_nothing(
    error, renames, has_older, tmp_path, monkeypatch
):
    if has_older:
        pretrained.save(tmp_path, "mine", tiny(), {"build": TINY, "note": "older"})
    before, replace = {p.name: p.read_bytes() for p in tmp_path.iterdir()}, os.replace
    calls = []

    def broken(*paths):
        calls.append(paths)
        if len(calls) == renames:
            raise error
        replace(*paths)

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(type(error)):
        pretrained.save(tmp_path, "mine", tiny(), {"build": TINY})
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", [None, "", "../q", "a/b", 3])
def test_a_name_that_is_no_name_of_a_file_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match="Expected name to be the name of a file"):
        pretrained.save(tmp_path / "run", name, tiny(), {"build": TINY})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["checkpoint", "checkpoint.previous"])
def test_the_state_of_a_run_is_not_overwritten(name, tmp_path):
    (tmp_path / f"{name}.npz").write_text("a run", "utf-8")
    with pytest.raises(ValueError, match="another name than that of a run's state"):
        pretrained.save(tmp_path, name, tiny(), {"build": TINY})
    assert (tmp_path / f"{name}.npz").read_text("utf-8") == "a run"


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    model = tiny()
    model.get_layer("logits").bias.assign([0, np.nan, 0])
    with pytest.raises(ValueError, match="finite weights.*'logits'"):
        pretrained.save(tmp_path, "mine", model, {"build": TINY})
    assert not list(tmp_path.iterdir())


def test_the_checksum_covers_the_build_block_too(tmp_path):
    """Another ``dropout`` or ``dilations`` changes no shape."""
    pretrained.save(tmp_path, "mine", tiny(), {"build": TINY})
    path = tmp_path / "mine.json"
    card = json.loads(path.read_text("utf-8"))
    card["build"]["arguments"]["dropout"] = 0.5
    path.write_text(json.dumps(card), "utf-8")
    with pytest.raises(ValueError, match="mine.npz does not match the checksum"):
        pretrained.load("mine", tmp_path)


def test_no_bundled_test_digit_is_left_in_a_training_set_they_are_taken_from():
    (x_train, y_train), (x_test, _) = data.load_mnist()
    mixed = np.concatenate([x_train[:50], x_test[:20]])
    labels = np.arange(70)
    images, kept = data.exclude(mixed, labels, x_test)
    np.testing.assert_array_equal(images, x_train[:50])
    np.testing.assert_array_equal(kept, np.arange(50))
