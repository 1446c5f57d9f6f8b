"""Finishing a drawing in Python: the arguments, and the still picture.

The explorer itself runs in a page: see browser/test_finish_and_guess.py.
"""

from pixelcnn_edu import generation, models, widgets
from pixelcnn_edu.likelihoods import Categorical
from pixelcnn_edu.plots import SEEN

import keras
import numpy as np
import pytest
import stills
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

PAGE = 6, 5


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = models.pixelcnn((*PAGE, 1), filters=8, depth=1)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def digits(model):
    return generation.generate(model, 3, seed=11)


@pytest.fixture(scope="module")
def finish(model, digits):
    return widgets.FinishMyDigit(model, digits, seed=5)


def test_the_page_gets_the_digits_and_begins_with_half_a_digit(finish, digits):
    assert finish.explorer == "finish"
    assert finish.settings == {"given": "0.3", "particles": 1, "future": 5}
    assert np.array_equal(np.frombuffer(finish.images, "uint8"), digits.ravel())


def test_the_still_picture_shows_given_ink_blue_and_drawn_ink_black(
    finish, model, digits
):
    figure = Figure(figsize=finish.size)
    finish.draw(figure)
    page = figure.axes[0].images[0].get_array()
    known = np.repeat([True, False], 3)[:, None].repeat(5, axis=1)
    (futures,) = generation.complete(
        model, digits[:1], known, count=16, seed=5, method="naive"
    )
    blue = np.isclose(page, to_rgb(SEEN)).all(axis=-1).sum()
    assert blue == futures[:, known].sum() == 16 * digits[0, known].sum() > 0
    assert (page == 0).all(axis=-1).sum() == futures[:, ~known].sum() > 0


def test_it_offers_the_still_picture_and_its_sentence(finish, model, digits):
    bundle, _ = finish._repr_mimebundle_()
    page = stills.pixels(bundle)
    assert np.ptp(page[..., :3], axis=-1).max() > 0.5  # blue
    assert bundle["text/plain"] == repr(finish)
    assert repr(finish).startswith("FinishMyDigit: ")
    for seed, same in ((5, True), (6, False)):
        other = widgets.FinishMyDigit(model, digits, seed=seed)
        assert (other.still() == finish.still()) == same


@pytest.mark.parametrize("seed", [-1, 1.5, True, None, "1"])
def test_another_seed_is_refused(model, digits, seed):
    with pytest.raises(ValueError, match="Expected seed .* Received: "):
        widgets.FinishMyDigit(model, digits, seed=seed)


def test_other_digits_are_refused(model, digits):
    for wrong in (digits[0], digits[:, :5], digits * 0.5, np.zeros((0, *PAGE, 1))):
        with pytest.raises(ValueError, match="Expected .* Received.*"):
            widgets.FinishMyDigit(model, wrong)


def test_another_model_is_refused(digits):
    two_logits = models.pixelcnn(
        (*PAGE, 1), filters=2, depth=1, likelihood=Categorical(2)
    )
    for wrong in ("coffee", two_logits):
        with pytest.raises(ValueError, match="Expected model .* Received: "):
            widgets.FinishMyDigit(wrong, digits)


def test_a_model_of_one_row_is_refused_since_no_part_of_it_can_be_given():
    row = models.pixelcnn((1, 5, 1), filters=2, depth=1)
    with pytest.raises(ValueError, match="at least 2 rows.* Received: "):
        widgets.FinishMyDigit(row, np.zeros((1, 1, 5, 1)))
