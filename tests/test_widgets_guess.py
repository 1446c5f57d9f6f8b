"""The guessing game in Python: the arguments, the questions, and the still picture.

The game itself runs in a page: see browser/test_finish_and_guess.py.
"""

from pixelcnn_edu import data, models, plots, pretrained, widgets
from pixelcnn_edu.likelihoods import Categorical
from pixelcnn_edu.widgets.reading import LATER, uncertain_pixels

import keras
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    return models.pixelcnn((5, 6, 1), filters=8, depth=1)


@pytest.fixture(scope="module")
def digits():
    return (np.random.default_rng(0).random((3, 5, 6, 1)) < 0.5).astype("float32")


@pytest.fixture
def game(small, digits):
    return widgets.BeatTheNetwork(small, digits)


def p_ink(model, digit):
    """p(ink) of every pixel, from the model alone."""
    logits = model.predict_on_batch(digit[None]).astype("float64")[0, ..., 0]
    return 1 / (1 + np.exp(-logits))


def entropy(p):
    return -p * np.log2(p) - (1 - p) * np.log2(1 - p)


def test_the_page_gets_the_digits_and_the_rules(game, small, digits):
    assert game.explorer == "guess"
    assert game.settings == {"questions": 20, "among": 160}
    assert np.array_equal(np.frombuffer(game.images, "uint8"), digits.ravel())
    one = widgets.BeatTheNetwork(small, digits[1])
    assert np.array_equal(np.frombuffer(one.images, "uint8"), digits[1].ravel())


def test_the_twenty_most_uncertain_pixels_are_asked_in_reading_order():
    model = pretrained.load("coffee")
    digit = data.binarize(data.load_mnist()[1][0][3:4], seed=0)[0]
    p = p_ink(model, digit)
    asked = uncertain_pixels(p, 20, 20)
    doubt = entropy(p).ravel()
    assert len(set(asked)) == 20 and list(asked) == sorted(asked)
    others = np.delete(doubt, asked)
    assert doubt[asked].min() >= others.max() - 1e-6


def test_questions_are_taken_at_equal_steps_from_the_uncertain_pixels(small, digits):
    for digit in digits:
        p = p_ink(small, digit)
        ranked = np.argsort(-entropy(p).ravel(), kind="stable")
        expected = sorted(ranked[[0, 4, 8, 12, 16]])
        assert list(uncertain_pixels(p, 5, 20)) == expected
        assert len(uncertain_pixels(p, 99, 160)) == 30  # as many as there are pixels


def still(game):
    figure = Figure(figsize=game.size)
    game.draw(figure)
    (ax,) = figure.axes
    (square,) = ax.patches
    return ax.images[0].get_array(), square, figure.texts[0].get_text()


def test_the_still_picture_asks_the_first_question_and_hides_what_follows(
    game, small, digits
):
    shown, square, title = still(game)
    place = uncertain_pixels(p_ink(small, digits[0]), 20, 160)[0]
    before = np.arange(30) < place
    assert np.array_equal(shown.ravel()[before], digits[0].ravel()[before])
    assert np.all(shown.ravel()[~before] == np.float32(LATER))
    assert tuple(np.add(square.get_xy(), 0.5)) == (place % 6, place // 6)
    assert square.get_edgecolor() == to_rgba(plots.TARGET)
    assert title == "Question 1 of 20: is the framed pixel ink?"


def test_the_repr_is_always_the_same(small, digits):
    reprs = {repr(widgets.BeatTheNetwork(small, one)) for one in digits}
    assert len(reprs) == 1 and "0x" not in reprs.pop()


def test_wrong_arguments_are_refused(small, digits):
    with pytest.raises(ValueError, match="model"):
        widgets.BeatTheNetwork("coffee", digits)
    many = models.pixelcnn((5, 6, 1), filters=4, depth=1, likelihood=Categorical(4))
    with pytest.raises(ValueError, match="model"):
        widgets.BeatTheNetwork(many, digits)
    two = models.pixelcnn((5, 6, 1), filters=4, depth=1, likelihood=Categorical(2))
    with pytest.raises(ValueError, match=r"likelihood=Bernoulli\(\).*Categorical"):
        widgets.BeatTheNetwork(two, digits)
    for wrong in (digits[0, ..., 0], digits / 2, digits[:, :4]):
        with pytest.raises(ValueError, match="digits"):
            widgets.BeatTheNetwork(small, wrong)
