"""Forks: each against a slow drawing with the one uniform number changed by hand."""

import base64
import io

from pixelcnn_edu import generation, models, plots, widgets
from pixelcnn_edu.likelihoods import Categorical
from pixelcnn_edu.widgets.fork import (
    GAINED,
    LOST,
    TOGETHER,
    UNCHANGED,
    difference,
    draw_forks,
    flip_bits,
)

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

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
    assert len(EVERYWHERE) > TOGETHER  # drawn in two calls
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
    logits = np.asarray(model(image[None]))[0]
    price = flip_bits(logits, image)
    for row, col in EVERYWHERE[::7]:
        flipped = image.copy()
        flipped[row, col] = 1 - flipped[row, col]
        log_p = model.likelihood.log_prob_of_pixels(model(flipped[None]), flipped[None])
        assert price[row, col] == pytest.approx(
            -float(log_p[0, row, col]) / np.log(2), rel=1e-4
        )


def test_a_flip_after_more_training_starts_from_the_digit_of_the_new_weights():
    model = small_model()
    fork = widgets.Fork(model, seed=3)
    old, comparison = fork.old, fork.telling.picture.value
    fork.flip(4, 2)
    assert fork.old is old  # the same weights
    rng = np.random.default_rng(5)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    fork.flip(4, 3)
    assert np.array_equal(fork.old, generation.generate(model, 1, seed=3)[0])
    assert np.array_equal(fork.bits, flip_bits(model(fork.old[None])[0], fork.old))
    assert are_the_forks(model, fork.old, fork.uniforms, [(4, 3)], [fork.new]) == [True]
    assert np.array_equal(fork.pad.image, fork.old)
    assert fork.telling.old is fork.old and fork.telling.picture.value != comparison


def test_a_digit_to_go_on_from_is_drawn_by_the_new_weights():
    model = small_model()
    fork = widgets.Fork(model, seed=3)
    fork.flip(4, 2)
    rng = np.random.default_rng(5)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    fork.onward.click()
    numbers = fork.uniforms[None]
    by_hand = generation.generate(model, 1, uniforms=numbers, method="naive")
    assert np.array_equal(fork.old, by_hand[0])


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


def shown_page(explorer):
    """The large picture as numbers, out of the figure that is drawn."""
    figure = Figure(figsize=explorer.size)
    explorer.draw(figure)
    return figure.axes[0].images[0].get_array()


def test_a_click_flips_its_pixel_and_the_picture_shows_what_changed(fork, model):
    before = fork.picture.value
    fork.pad.set_state({"clicked": [2, 5, 1]})  # as the browser sends it
    assert (fork.row, fork.col) == (2, 5) and fork.pad.cursor == [2, 5]
    assert all(are_the_forks(model, fork.old, fork.uniforms, [(2, 5)], [fork.new]))
    assert fork.changed == (fork.new != fork.old).sum() - 1
    assert np.array_equal(shown_page(fork), difference(fork.old, fork.new))
    assert fork.picture.value != before
    assert np.array_equal(fork.pad.image, fork.old)


@pytest.mark.parametrize("seed", [0, 3, 57])
def test_the_digit_of_a_seed_is_that_of_generate(fork, model, seed):
    fork.seed.value = seed
    image = generation.generate(model, 1, seed=seed, method="naive")[0]
    assert np.array_equal(fork.old, image)
    assert np.array_equal(fork.pad.image, image)
    logits = np.asarray(model(image[None]))[0]
    assert np.allclose(fork.bits, flip_bits(logits, image), atol=1e-4)
    assert fork.bits[fork.row, fork.col] == fork.bits.min()  # the likeliest flip


def distance(one, other):
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def telling_by_hand(model, image, uniforms, bits):
    """All flips with p of 0.05 or more, and how many later pixels each changes."""
    likely = [pixel for pixel in EVERYWHERE if 2.0 ** -bits[pixel] >= 0.05]
    forks = slow_forks(model, image, uniforms, likely)
    changes = (forks != image).sum(axis=(1, 2, 3)) - 1
    return dict(zip(likely, changes, strict=True))


def test_the_most_telling_forks_change_most(fork, model):
    fork.seed.value = 5
    telling = fork.telling
    by_hand = telling_by_hand(model, fork.old, fork.uniforms, fork.bits)
    assert [by_hand[pixel] for pixel in telling.pixels] == telling.counts
    assert telling.counts == sorted(telling.counts, reverse=True)
    assert telling.bits == [fork.bits[pixel] for pixel in telling.pixels]
    assert 3 <= len(telling.pixels) <= 16
    # whoever is left out stands too near one that changes at least as much
    for pixel, count in by_hand.items():
        near = [
            shown
            for other, shown in zip(telling.pixels, telling.counts, strict=True)
            if distance(pixel, other) < 3
        ]
        assert max(near) >= count
    for i, pixel in enumerate(telling.pixels):
        assert all(distance(pixel, other) >= 3 for other in telling.pixels[:i])


def test_the_pad_marks_the_telling_pixels(fork):
    fork.seed.value = 6
    marked = np.frombuffer(fork.pad.marks, "uint8").reshape(PAGE)
    assert sorted(fork.telling.pixels) == [tuple(at) for at in np.argwhere(marked)]


def test_it_begins_with_the_most_telling_fork(model):
    first = widgets.Fork(model, seed=8)
    assert (first.row, first.col) == first.telling.pixels[0]
    assert first.changed == first.telling.counts[0]


def test_going_on_takes_the_fork_for_the_digit(fork, model):
    fork.seed.value = 4
    fork.flip(2, 2)
    taken, old_telling = fork.new.copy(), fork.telling.picture.value
    fork.onward.click()
    assert np.array_equal(fork.old, taken)
    again = generation.generate(model, 1, uniforms=fork.uniforms[None], method="naive")[
        0
    ]
    assert np.array_equal(fork.old, again)
    assert fork.telling.picture.value != old_telling
    fork.flip(2, 2)  # and back: the same numbers, so the same digit as at first
    assert np.array_equal(fork.new, generation.generate(model, 1, seed=4)[0])


@pytest.mark.parametrize(("certain", "value"), [(300, "ink"), (-300, "paper")])
def test_a_pixel_that_the_model_is_certain_of_is_said_to_be_so(certain, value):
    fork = widgets.Fork(small_model(certain))
    fork.flip(3, 3)
    assert np.array_equal(fork.new, fork.old)
    figure = Figure(figsize=fork.size)
    fork.draw(figure)
    text = " ".join(line.get_text() for line in figure.texts)
    assert f"model is certain of {value}" in text and "flipped to" not in text


def test_the_same_state_gives_the_same_pictures(fork, model):
    pictures = []
    for explorer in (fork, widgets.Fork(model)):
        explorer.seed.value = 1
        explorer.seed.value = 2
        explorer.flip(1, 1)
        pictures.append((explorer.picture.value, explorer.telling.picture.value))
    assert pictures[0] == pictures[1]
    assert repr(fork) == repr(explorer) and repr(fork).startswith("Fork: ")
    assert (
        fork._repr_mimebundle_()["image/png"]
        == (explorer._repr_mimebundle_()["image/png"])
    )


def test_a_page_without_widgets_gets_all_as_one_picture(fork):
    fork.seed.value = 3
    bundle = fork._repr_mimebundle_()
    page = plt.imread(io.BytesIO(base64.b64decode(bundle["image/png"])))[..., :3]
    height, width = page.shape[:2]
    digit, change = page[: height // 2, : width * 4 // 9], page[: height // 2]
    assert (digit.min(axis=-1) < 0.01).any() and np.ptp(digit, axis=-1).max() < 0.01
    assert np.ptp(change, axis=-1).max() > 0.5  # the frame is blue
    assert bundle["text/plain"] == repr(fork)


@pytest.mark.parametrize("pixel", [(-1, 0), (0, -1), (7, 0), (0, 10)])
def test_a_pixel_off_the_page_is_refused(fork, pixel):
    with pytest.raises(ValueError, match=r"Expected row and col within 7 × 10"):
        fork.flip(*pixel)


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
