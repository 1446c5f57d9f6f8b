"""Pretrained weights: whole, as good as their cards say, and not trained on the test."""

import json
import shlex

from pixelcnn_edu import (
    __main__,
    causality,
    data,
    evaluation,
    generation,
    models,
    pretrained,
)
from pixelcnn_edu.presets import PRESETS

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


def test_there_are_pretrained_models():
    assert "coffee" in pretrained.names()


def test_cards_say_all_that_is_needed(name):
    card = pretrained.card(name)
    assert card.keys() >= FIELDS
    assert "without the bundled test" in card["digits"]
    assert card["training_images"] == 50_000 - 1000  # all 1,000 lie among the 50,000
    assert (pretrained.FOLDER / f"{name}.keras").stat().st_size <= 2_000_000


def test_the_card_s_command_builds_it_again(name):
    card = pretrained.card(name)
    python, module, called, *rest = shlex.split(card["rebuild"])
    assert (python, module, called) == ("python", "-m", "pixelcnn_edu")
    args = __main__.parser().parse_args(rest)
    assert (args.name, args.digits) == (name, "full")
    assert (args.seed, args.precision) == (card["seed"], card["precision"])


def test_models_are_causal_and_near_their_cards_on_the_bundled_test_digits(name):
    model, card, preset = pretrained.load(name), pretrained.card(name), PRESETS[name]
    assert models.live_weights(model) == card["weights"]
    assert preset.as_data().items() <= card["recipe"].items()
    assert model.likelihood == preset.likelihood
    digits, classes = data.load_mnist()[1]
    labels = classes if preset.num_classes else None
    nats = evaluation.nats_per_image(model, preset.images(digits), labels=labels)
    mean, error = evaluation.mean_and_standard_error(nats)
    # other digits than the card's, so only close: three standard errors of both
    assert abs(mean - card["nats_per_image"]) < 3 * (error + card["standard_error"])
    causality.assert_causal(model, trials=1)


def test_drawn_digits_have_the_ink_of_real_ones(name):
    model, preset = pretrained.load(name), PRESETS[name]
    digits, classes = data.load_mnist()[1]
    labels = classes[:64] if preset.num_classes else None
    drawn = generation.generate(model, 64, seed=0, labels=labels)
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
    assert table in (pretrained.FOLDER.parents[1] / "README.md").read_text("utf-8")


def test_the_readme_tells_stored_weights_from_live_ones():
    readme = (pretrained.FOLDER.parents[1] / "README.md").read_text("utf-8")
    words = " ".join(readme.split())
    model = models.pixelcnn(filters=128, depth=6)
    stored, live = model.count_params(), models.live_weights(model)
    assert f"stores {stored:,} weights" in words
    assert f"set {stored - live:,} of them to 0, so {live:,} are live" in words
    for name in ("coffee", "night"):
        assert f"`{name}` ({pretrained.card(name)['weights']:,} live weights)" in words


def test_damaged_or_unknown_weights_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="Expected name to be one of"):
        pretrained.load("tea")
    raw = bytearray((pretrained.FOLDER / "coffee.keras").read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "coffee.keras").write_bytes(raw)
    (tmp_path / "coffee.json").write_text(
        json.dumps(pretrained.card("coffee")), "utf-8"
    )
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="coffee.keras does not match the checksum"):
        pretrained.load("coffee")


def test_no_bundled_test_digit_is_left_in_a_training_set_they_are_taken_from():
    (x_train, y_train), (x_test, _) = data.load_mnist()
    mixed = np.concatenate([x_train[:50], x_test[:20]])
    labels = np.arange(70)
    images, kept = data.exclude(mixed, labels, x_test)
    np.testing.assert_array_equal(images, x_train[:50])
    np.testing.assert_array_equal(kept, np.arange(50))
