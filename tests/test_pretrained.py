"""Pretrained weights: whole, as good as their cards say, and not trained on the test."""

import json

from pixelcnn_edu import causality, data, evaluation, generation, pretrained

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
    assert (pretrained.FOLDER / f"{name}.keras").stat().st_size <= 1_000_000


def test_models_are_causal_and_near_their_cards_on_the_bundled_test_digits(name):
    model, card = pretrained.load(name), pretrained.card(name)
    assert model.count_params() == card["weights"]
    held_out = data.binarize(data.load_mnist()[1][0], seed=0)
    nats = evaluation.nats_per_image(model, held_out)
    mean, error = evaluation.mean_and_standard_error(nats)
    # other digits than the card's, so only close: three standard errors of both
    assert abs(mean - card["nats_per_image"]) < 3 * (error + card["standard_error"])
    assert mean < 88
    causality.assert_causal(model, trials=1)


def test_drawn_digits_have_the_ink_of_real_ones(name):
    drawn = generation.generate(pretrained.load(name), 64, seed=0)
    real = data.binarize(data.load_mnist()[1][0], seed=0)
    assert abs(drawn.mean() - real.mean()) < 0.03


def test_damaged_or_unknown_weights_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="Expected name to be one of"):
        pretrained.load("tea")
    raw = bytearray((pretrained.FOLDER / "coffee.keras").read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "coffee.keras").write_bytes(raw)
    (tmp_path / "coffee.json").write_text(json.dumps(pretrained.card("coffee")))
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="coffee.keras does not match the checksum"):
        pretrained.load("coffee")


def test_no_bundled_test_digit_is_left_in_a_training_set_they_are_taken_from():
    from pixelcnn_edu.training import without

    (x_train, y_train), (x_test, _) = data.load_mnist()
    mixed = np.concatenate([x_train[:50], x_test[:20]])
    labels = np.arange(70)
    images, kept = without(mixed, labels, x_test)
    np.testing.assert_array_equal(images, x_train[:50])
    np.testing.assert_array_equal(kept, np.arange(50))
