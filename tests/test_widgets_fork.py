"""Forks: each against a slow drawing with the one uniform number changed by hand."""

from pixelcnn_edu import generation, models, plots, widgets
from pixelcnn_edu.likelihoods import Categorical
from pixelcnn_edu.widgets._base import bits
from pixelcnn_edu.widgets.fork import (
    GAINED,
    LOST,
    UNCHANGED,
    difference,
    draw_flipped,
    draw_forks,
    first_of_seed,
)

import keras
import numpy as np
import pytest
import stills
from matplotlib.colors import to_rgb

HEIGHT, WIDTH = PAGE = 7, 10
EVERYWHERE = [(row, col) for row in range(HEIGHT) for col in range(WIDTH)]


def small_model(certain=0.0):
    """A model with random weights; ``certain`` is added to all its logits."""
    keras.utils.set_random_seed(0)
    model = models.pixelcnn((*PAGE, 1), filters=8, depth=1)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    bias = model.weights[-1]
    bias.assign(bias + certain)
    return model


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def drawn(model):
    """A digit, and the uniform numbers that draw it."""
    uniforms = np.random.default_rng(1).random((*PAGE, 1), dtype="float32")
    image = generation.generate(model, 1, uniforms=uniforms[None], method="naive")[0]
    assert 0.2 < image.mean() < 0.8
    return image, uniforms


@pytest.fixture(scope="module")
def fork(model):
    return widgets.Fork(model, seed=3)


def slow_forks(model, image, uniforms, pixels):
    """The forks of some pixels: one number changed by hand, and the slowest method."""
    changed = np.repeat(uniforms[None], len(pixels), axis=0)
    for fork, pixel in enumerate(pixels):
        changed[fork][pixel] = 0 if image[pixel] == 0 else 1 - 1e-7
    return generation.generate(model, len(pixels), uniforms=changed, method="naive")


def are_the_forks(model, image, uniforms, pixels, forks):
    """For each fork, whether its pixel is flipped and the rest drawn again by rule."""
    right = []
    slow = slow_forks(model, image, uniforms, pixels)
    for (row, col), fork, by_hand in zip(pixels, forks, slow, strict=True):
        place, old, new = row * WIDTH + col, image.ravel(), fork.ravel()
        kept = np.array_equal(new[:place], old[:place])
        flipped = new[place] == 1 - old[place]
        right.append(kept and flipped and np.array_equal(fork, by_hand))
    return right


def test_a_fork_keeps_what_is_before_flips_the_pixel_and_draws_the_rest(model, drawn):
    forks = draw_forks(model, *drawn, EVERYWHERE)
    assert forks.shape == (70, *PAGE, 1) and forks.dtype == np.float32
    assert all(are_the_forks(model, *drawn, EVERYWHERE, forks))
    later = (forks != drawn[0]).sum(axis=(1, 2, 3)) - 1
    assert later.max() > 5 and later[-1] == 0


def test_forks_with_fresh_uniform_numbers_are_told_apart(model, drawn):
    image, uniforms = drawn
    fresh = np.random.default_rng(2).random(uniforms.shape, dtype="float32")
    pixels, forks = [(row, 0) for row in range(HEIGHT - 1)], []
    for row, col in pixels:
        wrong = uniforms.copy()  # the planted bug: later rows get other numbers
        wrong[row + 1 :] = fresh[row + 1 :]
        forks.append(draw_forks(model, image, wrong, [(row, col)])[0])
    assert not any(are_the_forks(model, image, uniforms, pixels, forks))


def test_forks_of_the_neighboring_pixel_are_told_apart(model, drawn):
    pixels = EVERYWHERE[:20]
    forks = draw_forks(model, *drawn, EVERYWHERE[1:21])  # the planted bug
    assert not any(are_the_forks(model, *drawn, pixels, forks))


def test_one_fork_is_the_same_drawn_alone_or_among_others(model, drawn):
    many = draw_forks(model, *drawn, EVERYWHERE[10:15])
    assert len(many) == 5
    for pixel, new in zip(EVERYWHERE[10:15], many, strict=True):
        assert np.array_equal(draw_forks(model, *drawn, [pixel])[0], new)


def test_the_uniform_numbers_given_are_left_as_they_were(model, drawn):
    image, uniforms = drawn[0].copy(), drawn[1].copy()
    draw_forks(model, *drawn, EVERYWHERE[:3])
    assert np.array_equal(image, drawn[0]) and np.array_equal(uniforms, drawn[1])


def test_the_price_is_that_of_the_flipped_pixel_after_the_same_past(model, drawn):
    image = drawn[0]
    price = bits(model, image[None], 1 - image[None])[0]
    for row, col in EVERYWHERE[::7]:
        flipped = image.copy()
        flipped[row, col] = 1 - flipped[row, col]
        log_p = model.likelihood.log_prob_of_pixels(model(flipped[None]), flipped[None])
        assert price[row, col] == pytest.approx(
            -float(log_p[0, row, col]) / np.log(2), rel=1e-4
        )


def test_red_marks_the_changed_pixels_and_no_others(model, drawn):
    old, new = drawn[0], draw_forks(model, *drawn, [(1, 4)])[0]
    page = difference(old, new)
    red = (page == to_rgb(GAINED)).all(axis=-1) | (page == to_rgb(LOST)).all(axis=-1)
    assert np.array_equal(red, (old != new)[..., 0])
    both = (page == to_rgb(UNCHANGED)).all(axis=-1)
    assert np.array_equal(both, ((old == 1) & (new == 1))[..., 0])
    white = (page == 1).all(axis=-1)
    assert np.array_equal(white, ((old == 0) & (new == 0))[..., 0])
    assert len({UNCHANGED, GAINED, LOST}) == 3 and GAINED == plots.TARGET


def test_the_first_digit_of_a_seed_is_that_of_generate(model):
    image, uniforms = first_of_seed(model, 57)
    assert np.array_equal(image, generation.generate(model, 1, seed=57)[0])
    again = generation.generate(model, 1, uniforms=uniforms[None], method="naive")
    assert np.array_equal(image, again[0])


def test_flips_one_after_another_are_forks_of_forks(model):
    image, uniforms = first_of_seed(model, 3)
    for pixel in ((1, 2), (4, 5)):
        (fork,) = slow_forks(model, image, uniforms, [pixel])
        uniforms[pixel] = 0 if image[pixel] == 0 else 1 - 1e-7
        image = fork
    assert np.array_equal(draw_flipped(model, 3, [(1, 2), (4, 5)]), image)
    assert np.array_equal(draw_flipped(model, 3, []), first_of_seed(model, 3)[0])
    assert not np.array_equal(draw_flipped(model, 3, [(1, 2)]), image)


def test_a_flip_that_changes_nothing_changes_no_later_pixel():
    model = models.pixelcnn((5, 5, 1), filters=4, depth=1)
    model.set_weights([0 * w for w in model.get_weights()[:-1]] + [np.float32([40])])
    assert "(0, 0) flipped: 0 later pixels change" in widgets.Fork(model).still()[1]


def test_the_still_picture_shows_the_digit_and_its_likeliest_fork(model):
    fork = widgets.Fork(model, seed=3)
    bundle, _ = fork._repr_mimebundle_()
    page = stills.pixels(bundle)[..., :3]
    left, right = page[:, : page.shape[1] // 2], page[:, page.shape[1] // 2 :]
    assert np.ptp(left, axis=-1).max() < 0.01  # no color
    assert np.ptp(right, axis=-1).max() > 0.5
    assert bundle["text/plain"] == repr(fork)
    assert (
        widgets.Fork(model, seed=3)._repr_mimebundle_()[0]["text/html"]
        == (bundle["text/html"])
    )


@pytest.mark.parametrize("seed", [-1, 1.5, True, None, "1"])
def test_another_seed_is_refused(model, seed):
    with pytest.raises(ValueError, match="Expected seed .* Received: "):
        widgets.Fork(model, seed=seed)


@pytest.mark.parametrize(
    "make",
    [
        lambda: "coffee",
        lambda: models.pixelcnn((None, None, 1), filters=2, depth=1),
        lambda: models.pixelcnn((5, 6, 3), filters=6, depth=1),
        lambda: models.pixelcnn(
            (5, 6, 1), filters=2, depth=1, likelihood=Categorical(2)
        ),
    ],
    ids=["a name", "an open size", "colors", "two logits"],
)
def test_another_model_is_refused(make):
    with pytest.raises(ValueError, match="Expected model .* Received: "):
        widgets.Fork(make())
