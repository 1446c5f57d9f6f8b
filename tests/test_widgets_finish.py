"""Finishing a drawing: what is given stays, and who looks ahead to it."""

from contextlib import nullcontext

from pixelcnn_edu import generation, models, widgets
from pixelcnn_edu.likelihoods import Categorical
from pixelcnn_edu.plots import SEEN
from pixelcnn_edu.widgets.finish import MANY, given_rows

import keras
import numpy as np
import pytest
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
def made(model, digits):
    return widgets.FinishMyDigit(model, digits, seed=5)


@pytest.fixture
def finish(made, digits):
    """The explorer, as it is when it is new."""
    made.particles.value, made.row.value = 1, 3
    made.side.value, made.pen.value = "top", 255
    made.pad.image = digits[0]
    return made


def draw(finish, image):
    """What the browser sends at the end of a stroke."""
    pixels = (255 * np.asarray(image)).astype("uint8").tobytes()
    finish.pad.set_state({"pixels": memoryview(pixels)})


def keeps_the_given(futures, image, known):
    return np.array_equal(
        futures[:, known], np.repeat(image[None][:, known], len(futures), axis=0)
    )


def test_given_rows_are_those_above_or_those_below():
    top = given_rows("top", 2, PAGE)
    assert top.dtype == bool and top.shape == PAGE
    assert np.array_equal(top.all(axis=1), [True] * 2 + [False] * 4)
    assert np.array_equal(given_rows("bottom", 2, PAGE), ~top)


@pytest.mark.parametrize("side", ["top", "bottom"])
@pytest.mark.parametrize("count", [1, 16, 64])
@pytest.mark.parametrize("row", [1, 4])
def test_what_is_given_stays_and_the_rest_is_that_of_complete(
    finish, model, digits, side, count, row
):
    finish.side.value, finish.particles.value, finish.row.value = side, count, row
    draw(finish, digits[1])
    assert finish.futures.shape == (16, *PAGE, 1)
    assert keeps_the_given(finish.futures, digits[1], finish.known)
    assert not keeps_the_given(finish.futures, digits[0], finish.known)
    assert np.array_equal(finish.known, given_rows(side, row, PAGE))
    particles = 1 if side == "top" else count
    with pytest.warns(RuntimeWarning) if finish.collapsed else nullcontext():
        slow, ess = generation.complete(
            model,
            digits[1:2],
            finish.known,
            count=16,
            seed=5,
            particles=particles,
            method="naive",
            return_ess=True,
        )
    assert np.array_equal(finish.futures, slow[0])
    assert finish.ess == pytest.approx(ess[0], rel=1e-4)
    assert finish.count == particles


def tops(finish, bottom):
    """The futures' upper halves, once this is drawn."""
    draw(finish, bottom)
    return finish.futures[:, :3]


def test_clamped_tops_ignore_the_bottom_and_particles_do_not(finish):
    finish.side.value = "bottom"
    black, white = np.ones((*PAGE, 1)), np.zeros((*PAGE, 1))
    assert np.array_equal(tops(finish, black), tops(finish, white))
    ignored = finish.bits
    finish.particles.value = 64
    assert not np.array_equal(tops(finish, black), tops(finish, white))
    assert finish.bits < ignored


def test_a_drawn_top_does_change_its_futures(finish):
    draw(finish, np.ones((*PAGE, 1)))
    below_black = finish.futures[:, 3:]
    draw(finish, np.zeros((*PAGE, 1)))
    assert not np.array_equal(below_black, finish.futures[:, 3:])


def bits_by_hand(model, images, known):
    log_p = np.asarray(model.likelihood.log_prob_of_pixels(model(images), images))
    return -log_p[:, known].sum(axis=1) / np.log(2)


def test_the_price_of_the_given_is_a_median_over_the_futures(finish, model):
    for side, count in (("top", 1), ("bottom", 1), ("bottom", 64)):
        finish.side.value, finish.particles.value = side, count
        bits = bits_by_hand(model, finish.futures, finish.known)
        assert finish.bits == pytest.approx(np.median(bits), rel=1e-4)
        assert f"costs {finish.bits:.0f} bits" in finish.title()
        # with the top given, nothing that differs comes before it
        assert (np.ptp(bits) < 1e-4) == (side == "top")


def test_a_collapse_is_told_in_the_picture_and_not_as_a_warning(finish, model, digits):
    finish.side.value, finish.particles.value = "bottom", 16
    seen = set()
    for image in (*digits, np.ones((*PAGE, 1)), np.zeros((*PAGE, 1))):
        for finish.row.value in (1, 4, 5):
            draw(finish, image)  # a warning would be an error here
            line = finish.title().split("\n")[1]
            seen.add(few := finish.ess < 5)
            assert finish.collapsed == few == line.startswith("Only ")
            assert f"{finish.ess:.1f} of 16 particles are effective" in line
    assert seen == {True, False}


def test_many_particles_are_drawn_once_and_not_for_the_next_stroke(finish, digits):
    finish.side.value, finish.particles.value = "bottom", 16
    name, before = finish.many.description, finish.picture.value
    finish.many.click()
    assert finish.count == MANY and f"of {MANY} particles" in finish.title()
    assert finish.picture.value != before
    assert (finish.many.description, finish.many.disabled) == (name, False)
    draw(finish, digits[1])
    assert finish.count == 16


def test_particles_are_offered_where_they_matter(finish):
    finish.particles.value = 64
    assert finish.side.value == "top" and finish.count == 1
    assert finish.particles.disabled and finish.many.disabled
    finish.side.value = "bottom"
    assert finish.count == 64
    assert not finish.particles.disabled and not finish.many.disabled


def test_the_pad_shades_what_is_not_given(finish):
    for side, row in (("top", 2), ("bottom", 4)):
        finish.side.value, finish.row.value = side, row
        shaded = np.frombuffer(finish.pad.marks, "uint8").reshape(PAGE)
        assert np.array_equal(shaded == 0, given_rows(side, row, PAGE))
        assert finish.row.description == ("up to row" if side == "top" else "from row")


def test_given_ink_is_blue_and_drawn_ink_black(finish):
    for finish.side.value in ("top", "bottom"):
        figure = Figure(figsize=finish.size)
        finish.draw(figure)
        page = figure.axes[0].images[0].get_array()
        blue = np.isclose(page, to_rgb(SEEN)).all(axis=-1).sum()
        assert blue == finish.futures[:, finish.known].sum()
        assert (page == 0).all(axis=-1).sum() == finish.futures[:, ~finish.known].sum()


def test_buttons_clear_the_pad_and_show_one_test_digit_after_the_other(finish, digits):
    finish.clear.click()
    assert not finish.pad.image.any()
    assert not finish.futures[:, finish.known].any()
    shown = []
    for _ in range(3):
        finish.example.click()
        shown.append(finish.pad.image)
        assert keeps_the_given(finish.futures, finish.pad.image, finish.known)
    for digit in digits:
        assert sum(np.array_equal(digit, image) for image in shown) == 1
    finish.pen.value = 0
    assert finish.pad.ink == 0


def test_the_same_drawing_gives_the_same_picture(finish, model, digits):
    other = widgets.FinishMyDigit(model, digits, seed=5)
    assert other.picture.value == finish.picture.value
    assert other.count == finish.count == 1
    assert np.array_equal(other.futures, finish.futures)
    before = finish.picture.value
    draw(finish, digits[1])
    assert finish.picture.value != before
    draw(finish, digits[0])
    assert finish.picture.value == before
    assert repr(other) == repr(finish) and repr(other).startswith("FinishMyDigit: ")
    assert widgets.FinishMyDigit(model, digits, seed=6).picture.value != before


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
