"""Pretrained weights: whole, as good as their cards say, and not trained on the test."""

import dataclasses
import errno
import json
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
    assert (args.preset, args.digits) == (name, "full")
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
    ("changed", "words"),
    [
        ({"depth": 2}, "Expected weights of the shapes"),
        ({"filters": 6}, "Expected weights of the shapes"),
        ({"activation": "relu"}, "Expected weights of the shapes"),  # PReLU has weights
    ],
)
def test_a_model_of_another_shape_than_its_card_is_refused(changed, words, tmp_path):
    block = {**TINY, "arguments": {**TINY["arguments"], **changed}}
    with pytest.raises(ValueError, match=words):
        pretrained.save(tmp_path, "mine", tiny(), {"build": block})
    assert not list(tmp_path.iterdir())


def test_another_network_of_the_same_weights_is_refused(tmp_path):
    model = tiny(activation="relu")
    block = {**TINY, "arguments": {**TINY["arguments"], "activation": "elu"}}
    with pytest.raises(ValueError, match="Expected model to be the network that card"):
        pretrained.save(tmp_path, "mine", model, {"build": block})
    assert not list(tmp_path.iterdir())


def test_a_card_may_hold_numbers_of_numpy_and_a_second_save_replaces_the_first(
    tmp_path,
):
    pretrained.save(tmp_path, "mine", tiny(), {"build": TINY})
    card = {"build": TINY, "nats": np.float32(0.5), "count": np.int64(3)}
    pretrained.save(tmp_path, "mine", tiny(), card)
    saved = pretrained.card("mine", tmp_path)
    assert (saved["nats"], saved["count"]) == (0.5, 3)
    pretrained.load("mine", tmp_path)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_that_is_given_labels_has_a_protocol_of_its_own(name):
    plain = dataclasses.replace(PRESETS[name], num_classes=None)
    assert dataclasses.replace(plain, num_classes=10).protocol != plain.protocol


def test_a_file_that_cannot_be_replaced_is_kept(tmp_path, monkeypatch):
    pretrained.save(tmp_path, "mine", tiny(), {"build": TINY, "note": "older"})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(path, *_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        pretrained.save(tmp_path, "mine", tiny(), {"build": TINY})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", [None, "", "../q"])
def test_a_name_that_is_no_name_of_a_file_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match="Expected name to be the name of a file"):
        pretrained.save(tmp_path / "run", name, tiny(), {"build": TINY})
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
