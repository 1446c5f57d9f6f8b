"""Generation: the sampler follows the likelihood, and every method draws the same."""

import functools

from pixelcnn_edu import _drawing, causality, evaluation, generation
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.models import ImageModel, gated_pixelcnn

import keras
import numpy as np
import pytest
from chi_squared import assert_fit, assert_images_fit
from test_evaluation import random_model, randomize


def two_layers(shape=(3, 3, 1), likelihood=None, seed=0):
    """A network whose loops compile fast."""
    keras.utils.set_random_seed(seed)
    likelihood = likelihood or Bernoulli()
    image = keras.Input(shape)
    x = MaskedConv2D(8, 3, "A", activation="tanh")(image)
    logits = keras.layers.Conv2D(likelihood.logits_per_pixel(shape[-1]), 1)(x)
    model = ImageModel(image, logits, likelihood=likelihood)
    randomize(model, seed)
    return model


small = functools.cache(two_layers)  # for tests that do not change it


@functools.cache
def labeled(num_classes):
    """A network with a bias for each label."""
    keras.utils.set_random_seed(0)
    image, label = keras.Input((3, 3, 1)), keras.Input((), dtype="int32")
    bias = keras.layers.Embedding(num_classes, 8, embeddings_initializer="normal")(
        label
    )
    x = MaskedConv2D(8, 3, "A")(image)
    x = keras.layers.add([x, keras.layers.Reshape((1, 1, 8))(bias)])
    logits = MaskedConv2D(1, 1)(keras.layers.Activation("tanh")(x))
    known = {"likelihood": Bernoulli(), "num_classes": num_classes}
    model = ImageModel([image, label], logits, **known)
    randomize(model)
    return model


@pytest.mark.parametrize(
    ("shape", "likelihood"),
    [
        ((2, 3, 1), Bernoulli()),
        ((2, 2, 1), Categorical(3)),
        ((3, 1, 1), Categorical(5)),
    ],
    ids=str,
)
def test_draws_follow_the_enumerated_probabilities(shape, likelihood):
    model = small(shape, likelihood)
    assert_images_fit(model, generation.generate(model, 20_000, seed=1))


def test_image_i_of_a_seed_is_the_same_for_every_count():
    model, quick = small((5, 5, 1)), {"method": "fixed_point"}
    many = generation.generate(model, 9, seed=4, **quick)
    three = generation.generate(model, 3, seed=4, **quick)
    np.testing.assert_array_equal(three, many[:3])
    assert len(np.unique(many, axis=0)) > 1
    assert (generation.generate(model, 9, seed=5, **quick) != many).any()


def test_no_seed_draws_afresh():
    model = small((5, 5, 1))
    first, second = (
        generation.generate(model, 8, method="fixed_point") for _ in range(2)
    )
    assert (first != second).any()


def test_given_uniforms_replace_the_seed():
    model = small((4, 4, 1))
    uniforms = np.random.default_rng(0).random((3, 4, 4, 1), dtype="float32")
    first = generation.generate(model, 3, uniforms=uniforms)
    np.testing.assert_array_equal(
        first, generation.generate(model, 3, uniforms=uniforms)
    )
    uniforms[:, 2, 1] = 1 - uniforms[:, 2, 1]
    second = generation.generate(model, 3, uniforms=uniforms)
    np.testing.assert_array_equal(
        first.reshape(3, -1)[:, :9], second.reshape(3, -1)[:, :9]
    )


def test_completion_keeps_what_is_known_and_draws_the_conditional_of_a_top():
    model = small((2, 3, 1))
    known = np.zeros((2, 3), bool)
    known[0] = True
    given = np.array([[[1, 0, 1], [0, 0, 0]]], "float32")[..., None]
    drawn = generation.complete(model, given, known, count=20_000, seed=0)
    assert drawn.shape == (1, 20_000, 2, 3, 1)
    np.testing.assert_array_equal(drawn[0, :, 0], np.repeat(given[:, 0], 20_000, 0))
    everything = evaluation.all_images((2, 3, 1))
    fits = (everything[:, 0] == given[0, 0]).all(axis=(1, 2))
    p = np.exp(-evaluation.nats_per_image(model, everything[fits]))
    p /= p.sum()
    bits = drawn[0, :, 1, :, 0].astype(int) @ [4, 2, 1]
    assert_fit(np.bincount(bits, minlength=8), p * 20_000)


def assert_completions_fit(model, count, **arguments):
    """Completions, bottom row given, against the enumerated conditional."""
    known = np.zeros((3, 3), bool)
    known[2] = True
    everything = evaluation.all_images((3, 3, 1))
    p = np.exp(-evaluation.nats_per_image(model, everything))
    bottoms = everything[:8, 2]  # counting order: the bottom row changes fastest
    bottom = bottoms[np.argmin(p.reshape(64, 8).sum(axis=0))]  # a telling one
    fits = (everything[:, 2] == bottom).all(axis=(1, 2))
    image = np.zeros((3, 3, 1), "float32")
    image[2] = bottom
    drawn = generation.complete(
        model, np.stack([image] * count), known, count=1, seed=0, **arguments
    )[:, 0]
    np.testing.assert_array_equal(drawn[:, 2], np.stack([bottom] * count))
    tops = drawn[:, :2].reshape(count, 6).astype(int) @ 2 ** np.arange(6)[::-1]
    assert_fit(np.bincount(tops, minlength=64), p[fits] / p[fits].sum() * count)


def test_particles_draw_the_conditional_of_a_bottom_and_clamping_does_not():
    assert_completions_fit(small(), 1500, particles=24)
    with pytest.raises(AssertionError, match="χ²"):
        assert_completions_fit(small(), 1500)


def second_copies_first(likelihood):
    """The first pixel is ink with p = 0.1; the second copies the first with p = 0.9."""
    image = keras.Input((1, 2, 1))
    x = MaskedConv2D(1, (1, 3), "A")(image)
    model = ImageModel(image, x, likelihood=likelihood)
    logit = np.log(9.0)
    kernel = np.zeros((1, 3, 1, 1), "float32")
    kernel[0, 0] = 2 * logit
    model.set_weights([kernel, np.array([-logit], "float32")])
    return model


def test_the_effective_sample_size_is_that_of_the_weights():
    model = second_copies_first(Bernoulli())
    known = np.array([[False, True]])  # and is ink
    ink = np.ones((1, 1, 2, 1), "float32")
    drawn, ess = generation.complete(
        model, ink, known, count=400, particles=1000, seed=0, return_ess=True
    )
    # weights: 0.9 for ink first (drawn with 0.1), 0.1 for paper first (drawn with 0.9)
    mean, square = 0.1 * 0.9 + 0.9 * 0.1, 0.1 * 0.9**2 + 0.9 * 0.1**2
    assert abs(ess[0] / 1000 - mean**2 / square) < 0.05
    assert abs(drawn[0, :, 0, 0, 0].mean() - 0.5) < 0.1  # 0.09 against 0.09


def test_a_given_top_leaves_all_particles_effective():
    known = np.zeros((3, 3), bool)
    known[0] = True
    images = np.ones((2, 3, 3, 1), "float32")
    how = {"count": 3, "return_ess": True, "method": "fixed_point"}
    drawn, ess = generation.complete(
        small(), images, known, particles=20, seed=0, **how
    )
    assert drawn.shape == (2, 3, 3, 3, 1)
    np.testing.assert_allclose(ess, 20, rtol=1e-5)
    _, ess = generation.complete(small(), images, known, **how)
    np.testing.assert_array_equal(ess, 3)


def test_a_collapse_of_the_weights_is_said():
    model = random_model((6, 6, 1), seed=2)
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([10 * kernel, bias])  # sure of everything
    known = np.zeros((6, 6), bool)
    known[3:] = True
    rng = np.random.default_rng(0)
    images = rng.integers(0, 2, (1, 6, 6, 1)).astype("float32")
    with pytest.warns(RuntimeWarning, match="of 16 particles are effective") as told:
        generation.complete(
            model, images, known, particles=16, seed=0, method="fixed_point"
        )
    assert told[0].filename == __file__  # of the call, not of the package


def test_particles_of_an_image_do_not_depend_on_the_method_and_repeat_with_a_seed():
    known = np.eye(3, dtype=bool)
    images = np.ones((2, 3, 3, 1), "float32")
    first, *others = (
        generation.complete(
            small(), images, known, count=4, particles=32, seed=5, method=method
        )
        for method in generation.METHODS
    )
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_particles_need_temperature_one():
    images = np.zeros((1, 3, 3, 1), "float32")
    known = np.ones((3, 3), bool)
    with pytest.raises(ValueError, match="temperature=1"):
        generation.complete(small(), images, known, particles=4, temperature=0.5)
    for particles in (0, -1, 2.5):
        with pytest.raises(ValueError, match="particles"):
            generation.complete(small(), images, known, particles=particles)


@pytest.mark.parametrize("method", generation.METHODS)
def test_slices_are_those_of_all_images_with_their_labels(method):
    model = labeled(3)
    arguments = {"seed": 1, "labels": np.arange(300) % 3, "method": method}
    images = generation.generate(model, 300, **arguments)
    slices = list(generation.generate_slices(model, 300, **arguments))
    assert len(slices) > 2 and max(map(len, slices)) <= 128
    np.testing.assert_array_equal(np.concatenate(slices), images)
    arguments["labels"] = arguments["labels"][::-1]
    others = list(generation.generate_slices(model, 300, **arguments))
    assert (np.concatenate(others) != images).any()  # a slice of other labels is found


@pytest.mark.parametrize("compiled", [True, False])
def test_no_slice_is_drawn_long_before_it_is_read(compiled, monkeypatch):
    monkeypatch.setattr(_drawing, "cores", lambda: 2)
    asked = []

    def arrays(rows):
        asked.append(rows.start)
        return [np.full((rows.stop - rows.start, 1), rows.start)]

    slices = _drawing.in_slices(
        lambda a: a, arrays, 128 * 100, compiled=compiled, progress=False
    )
    for i in range(5):
        assert (next(slices) == 128 * i).all()
    slices.close()
    assert len(asked) <= 5 + 2


def test_slices_check_their_arguments_before_they_are_read():
    with pytest.raises(ValueError, match="count"):
        generation.generate_slices(small(), 0)
    with pytest.raises(ValueError, match="method"):
        generation.generate_slices(small(), method="fast")


def test_a_bar_appears_only_when_it_takes_long(capsys, monkeypatch):
    model = small()
    generation.generate(model, 300)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(_drawing, "SECONDS_BEFORE_BAR", 0)
    generation.generate(model, 300)
    told = capsys.readouterr()
    assert told.out == "" and "300" in told.err  # what a program prints stays its own
    list(generation.generate_slices(model, 300))
    assert "300" in capsys.readouterr().err
    nothing = np.zeros((1, 3, 3, 1)), np.zeros((3, 3), bool)
    generation.complete(model, *nothing, count=300)
    assert "300" in capsys.readouterr().err
    generation.generate(model, 300, progress=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("unknown", [np.nan, 0.3, 255])
def test_unknown_pixels_may_be_anything(unknown):
    known = np.eye(3, dtype=bool)
    images = evaluation.all_images((3, 3, 1))[[5, 300]]
    marked = np.where(known[:, :, None], images, unknown)
    first, second = (
        generation.complete(small(), given, known, count=2, seed=0)
        for given in (images, marked)
    )
    np.testing.assert_array_equal(first, second)
    known[0, 1] = True  # and now one of them is not
    with pytest.raises(ValueError, match="images"):
        generation.complete(small(), marked, known)


def test_images_are_completed_as_their_labels_say():
    model = gated_pixelcnn((3, 4, 1), filters=3, depth=1, num_classes=3)
    randomize(model)
    images, known = np.ones((2, 3, 4, 1)), np.eye(3, 4, dtype=bool)
    how = {"seed": 0, "count": 8, "method": "fixed_point"}
    drawn = generation.complete(model, images, known, labels=[0, 2], **how)
    assert drawn.shape == (2, 8, 3, 4, 1) and (drawn[:, :, known] == 1).all()
    other = generation.complete(model, images, known, labels=[0, 1], **how)
    np.testing.assert_array_equal(drawn[0], other[0])
    assert (drawn[1] != other[1]).any()
    with pytest.raises(ValueError, match="images of"):
        generation.complete(model, images[:, 1:], known[1:], labels=0)


def test_a_model_with_an_open_size_draws_the_size_it_is_asked_for():
    model = small((None, None, 1))
    drawn = generation.generate(model, 2, seed=0, image_shape=(3, 6, 1))
    assert drawn.shape == (2, 3, 6, 1)
    with pytest.raises(ValueError, match="image_shape"):
        generation.generate(model, 2)


def test_a_model_that_is_not_causal_may_settle_as_the_docstring_says():
    image = keras.Input((2, 3, 1))
    copy = keras.layers.Rescaling(100.0, -50.0)(image)  # ink where there is ink
    model = keras.Model(image, copy)
    u = np.full((1, 2, 3, 1), 0.5, "float32")
    nothing = np.zeros((2, 3), bool)
    drawn = generation.fixed_point(model, Bernoulli(), u, 0 * u, nothing, 1.0)
    assert (drawn == 0).all()
    assert "**not** causal" in generation.fixed_point.__doc__
    with pytest.raises(AssertionError):
        causality.assert_causal(model)


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (np.zeros((3, 3)), "boolean"),
        (np.zeros((3, 4), bool), "boolean"),
        (np.zeros((1, 3, 3), bool), "boolean"),
        (None, "boolean"),
    ],
)
def test_a_bad_pattern_of_known_pixels_is_named(known, words):
    for unknown in (0, np.nan):
        images = np.full((1, 3, 3, 1), unknown, "float32")
        with pytest.raises(ValueError, match=words):
            generation.complete(small(), images, known)


def chain(bias, weight, shape):
    """A model whose pixel depends on its left neighbor alone: bias + weight * left."""
    image = keras.Input(shape)
    x = MaskedConv2D(1, (1, 3), "A")(image)
    model = ImageModel(image, x, likelihood=Bernoulli())
    kernel = np.zeros((1, 3, 1, 1), "float32")
    kernel[0, 0] = weight
    model.set_weights([kernel, np.float32([bias])])
    return model


class Counting(Bernoulli):
    """Bernoulli that counts how often it draws, over all objects."""

    draws = 0

    def sample(self, logits, uniforms, temperature=1.0):
        Counting.draws += 1
        return super().sample(logits, uniforms, temperature)


def test_the_fixed_point_takes_a_round_per_value_and_one_at_most():
    arguments = {"method": "fixed_point", "likelihood": Counting(), "seed": 0}
    # each pixel is the opposite of its left neighbor: a round settles one more
    model, Counting.draws = chain(50.0, -100.0, (1, 6, 1)), 0
    images = generation.generate(model, 2, **arguments)
    np.testing.assert_array_equal(images[:, 0, :, 0], [[1, 0, 1, 0, 1, 0]] * 2)
    assert Counting.draws == 6 + 1  # the last round changes nothing
    inputs = keras.Input((1, 6, 1))
    leak = keras.Model(inputs, keras.layers.Lambda(lambda x: 100 * (0.5 - x))(inputs))
    Counting.draws = 0
    with pytest.raises(ValueError, match="causal"):
        generation.generate(leak, 1, **arguments)
    assert Counting.draws == 6 + 1


def test_uniform_numbers_may_be_0_but_not_below():
    model, quick = small((2, 2, 1)), {"method": "fixed_point"}
    lowest = np.zeros((1, 2, 2, 1))
    assert (
        generation.generate(model, 1, uniforms=lowest, **quick) == 1
    ).all()  # 0 is below any p
    for wrong in (np.full_like(lowest, -1e-3), lowest.astype(str), lowest + 1 - 1e-9):
        with pytest.raises(ValueError, match="uniforms"):
            generation.generate(model, 1, uniforms=wrong, **quick)


def test_a_seed_and_uniforms_together_are_refused():
    uniforms = np.zeros((1, 3, 3, 1), "float32")
    with pytest.raises(ValueError, match="not both"):
        generation.generate(small(), 1, seed=0, uniforms=uniforms)
