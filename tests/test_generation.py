"""Generation: the sampler follows the likelihood, and every method draws the same."""

import functools
import inspect
import io
import sys
import threading
import warnings

from pixelcnn_edu import _drawing, _particles, causality, evaluation, generation
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.models import ImageModel, gated_pixelcnn, pixelcnn

import ipykernel.iostream
import keras
import numpy as np
import pytest
from chi_squared import assert_fit, assert_images_fit
from keras import ops
from test_evaluation import random_model, randomize

pytestmark = pytest.mark.usefixtures("always_compiled")


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


@pytest.mark.parametrize("temperature", [0, 0.5, 1.0, 1.7])
@pytest.mark.parametrize(
    ("shape", "likelihood"),
    [((5, 4, 1), Bernoulli()), ((3, 5, 1), Categorical(4)), ((1, 1, 1), Bernoulli())],
    ids=str,
)
def test_naive_and_fixed_point_draw_the_same_images(shape, likelihood, temperature):
    model, seed = varied(shape, likelihood), int(10 * temperature)
    randomize(model, seed)  # other weights at each temperature
    arguments = {"count": 5, "seed": seed, "temperature": temperature}
    naive = generation.generate(model, method="naive", **arguments)
    fixed = generation.generate(model, method="fixed_point", **arguments)
    np.testing.assert_array_equal(naive, fixed)
    assert naive.shape == (5, *shape)
    assert naive.dtype == np.float32


@functools.cache
def varied(shape, likelihood):
    """A model to which each test gives its own weights."""
    return random_model(shape, likelihood)


@pytest.mark.parametrize("method", generation.METHODS)
@pytest.mark.parametrize(
    "likelihood",
    [Bernoulli(), Categorical(4), DiscretizedLogisticMixture(2, 4)],
    ids=repr,
)
def test_extreme_temperatures_are_the_limits_that_they_come_close_to(
    likelihood, method
):
    model = small((2, 3, 1), likelihood, seed=1)
    uniforms = np.random.default_rng(0).random((8, 2, 3, 1), dtype="float32")

    def drawn(temperature):
        return generation.generate(
            model, 8, uniforms=uniforms, temperature=temperature, method=method
        )

    most_likely = drawn(0)
    for cold in (5e-324, 1e-45, np.float32(1e-45), 1e-38, 1e-30):
        np.testing.assert_array_equal(drawn(cold), most_likely)
    levels = likelihood.levels
    if likelihood == Bernoulli():
        any_level = uniforms < 0.5  # ink below, paper above
    else:
        any_level = np.floor(uniforms * levels) / np.float32(levels - 1)
    for hot in (1e30, 1e300, 10**30):
        np.testing.assert_array_equal(drawn(hot), any_level)


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


def test_particles_are_weighted_in_bounded_memory(monkeypatch):
    images, known = np.zeros((1, 3, 3, 1), "float32"), np.zeros((3, 3), bool)
    known[2] = True
    how = {"count": 2, "particles": 32, "seed": 0}
    expected = generation.complete(small(), images, known, **how)
    sizes = []

    def noted(model):
        logits = generation.present_logits(model)
        return lambda pages: (sizes.append(len(pages)), logits(pages))[1]

    monkeypatch.setattr(_particles, "logits_function", noted)
    monkeypatch.setattr(_drawing, "MOST_NUMBERS", 5 * 9 * 2)  # of five images
    drawn = generation.complete(small(), images, known, **how)
    np.testing.assert_array_equal(drawn, expected)
    assert max(sizes) == 5


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


@pytest.mark.parametrize("method", generation.METHODS)
def test_completion_by_every_method_is_the_same_for_any_pattern(method):
    model = small((4, 4, 1))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 2, (3, 4, 4, 1)).astype("float32")
    known = rng.random((4, 4)) < 0.5
    drawn = generation.complete(model, images, known, count=2, seed=1, method=method)
    naive = generation.complete(model, images, known, count=2, seed=1, method="naive")
    np.testing.assert_array_equal(drawn, naive)
    np.testing.assert_array_equal(drawn[:, 1][:, known], images[:, known])


@pytest.mark.parametrize("method", generation.METHODS)
@pytest.mark.parametrize("levels", [2, 3])
def test_neither_what_stands_at_unknown_pixels_nor_its_type_is_read(method, levels):
    model = two_layers(likelihood=Categorical(levels))
    rng = np.random.default_rng(0)
    uniforms, known = rng.random((8, 3, 3, 1), "float32"), rng.random((3, 3)) < 0.3
    zeros = np.zeros_like(uniforms)
    nowhere = np.where(known[:, :, None], zeros, np.float32(np.nan))
    one, *others = (
        getattr(generation, method)(
            model, model.likelihood, uniforms, given, known, 1.0
        )
        for given in (zeros, nowhere, zeros.astype(int), zeros.astype("float64"))
    )
    for other in others:
        assert other.dtype == "float32"
        np.testing.assert_array_equal(one, other)


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


class RareIsImpossible(Bernoulli):
    def _log_prob_of_pixels(self, logits, images):
        log_p = super()._log_prob_of_pixels(logits, images)
        return ops.where(log_p < np.log(0.2), -np.inf, log_p)


def test_a_particle_that_cannot_explain_the_known_pixels_is_not_chosen():
    model = second_copies_first(RareIsImpossible())
    how = {"count": 50, "seed": 0, "return_ess": True, "method": "fixed_point"}
    ink, known = np.ones((1, 1, 2, 1)), np.array([[False, True]])
    drawn, ess = generation.complete(model, ink, known, particles=200, **how)
    assert (drawn == 1).all() and ess[0] == round(ess[0]) < 60
    two = np.concatenate([ink, ink])
    with pytest.raises(
        ValueError, match=r"above 0\. .*log-probabilities \[-inf -inf\]"
    ):
        generation.complete(model, two, known[:, ::-1], particles=3, **how)


def test_particles_of_many_known_pixels_have_weights():
    model = small((None, None, 1))
    known = np.arange(40 * 40).reshape(40, 40) >= 500
    how = {"return_ess": True, "method": "fixed_point", "seed": 0, "count": 2}
    given = np.zeros((1, 40, 40, 1)) + (np.indices((40, 40)).sum(0) % 2)[..., None]
    _, ess = generation.complete(model, given, known, particles=4, **how)
    assert 1 <= ess[0] <= 4


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


@pytest.mark.parametrize("method", generation.METHODS)
def test_a_slice_of_very_many_images_is_drawn_at_once_and_threads_end(method):
    model, threads = small(), threading.active_count()
    slices = generation.generate_slices(
        model, 10**12, seed=1, method=method, progress=False
    )
    first, second = next(slices), next(slices)
    slices.close()
    images = generation.generate(model, 1024, seed=1, method=method)
    np.testing.assert_array_equal(np.concatenate([first, second]), images[:256])
    assert threading.active_count() == threads


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


def test_a_bar_stands_in_the_page_of_a_notebook(capsys, monkeypatch):
    class Page(io.StringIO):
        __module__ = ipykernel.iostream.OutStream.__module__

    page = Page()
    monkeypatch.setattr(sys, "stdout", page)
    monkeypatch.setattr(_drawing, "SECONDS_BEFORE_BAR", 0)
    generation.generate(small(), 300)
    assert "300" in page.getvalue() and capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("likelihood", "most"),
    [(Bernoulli(), 128), (DiscretizedLogisticMixture(5, 256), 17)],
    ids=["Bernoulli", "mixture"],
)
def test_the_fixed_point_draws_as_many_images_at_a_time_as_fit_into_memory(
    monkeypatch, likelihood, most
):
    counts = []

    def counted(model, likelihood, uniforms, *_):
        counts.append(len(uniforms))
        return np.zeros_like(uniforms)

    monkeypatch.setattr(generation, "fixed_point", counted)
    model = pixelcnn((32, 32, 3), filters=6, depth=1, likelihood=likelihood)
    drawn = generation.generate(model, 130, seed=0, method="fixed_point")
    assert drawn.shape == (130, 32, 32, 3)
    assert max(counts) == most and sum(counts) == 130


def test_everything_known_comes_back_unchanged():
    images = evaluation.all_images((3, 3, 1))[100:104]
    drawn = generation.complete(small(), images, np.ones((3, 3), bool))
    np.testing.assert_array_equal(drawn[:, 0], images)


@pytest.mark.parametrize("unknown", [np.nan, np.inf, -1, 0.3, 255, np.ma.masked])
def test_unknown_pixels_may_be_anything(unknown):
    known = np.eye(3, dtype=bool)
    images = evaluation.all_images((3, 3, 1))[[5, 300]]
    where = np.ma.where if unknown is np.ma.masked else np.where
    marked = where(known[:, :, None], images, unknown)
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


@pytest.mark.parametrize("kind", ["uint8", "bool", "float16", "float64"])
def test_images_to_complete_may_be_of_any_kind_of_number(kind):
    images = evaluation.all_images((3, 3, 1))[:3]
    known = np.ones((3, 3), bool)
    drawn = generation.complete(small(), images.astype(kind), known)
    np.testing.assert_array_equal(drawn[:, 0], images)


def test_a_model_with_an_open_size_draws_the_size_it_is_asked_for():
    model = small((None, None, 1))
    drawn = generation.generate(model, 2, seed=0, image_shape=(3, 6, 1))
    assert drawn.shape == (2, 3, 6, 1)
    with pytest.raises(ValueError, match="image_shape"):
        generation.generate(model, 2)


def test_a_model_that_is_not_causal_is_refused_by_fixed_point():
    inputs = keras.Input((4, 4, 1))
    flip = keras.layers.Lambda(lambda x: 100 * (0.5 - x))(
        inputs
    )  # ink if there is none
    model = keras.Model(inputs, flip)
    with pytest.raises(ValueError, match="causal.* did not settle after H·W·C"):
        generation.generate(model, 1, likelihood=Bernoulli(), method="fixed_point")
    u = np.full((1, 4, 4, 1), 0.5, "float32")
    arguments = Bernoulli(), u, 0 * u, np.zeros((4, 4), bool), 1.0
    with pytest.raises(ValueError, match="did not settle after 3 rounds"):
        generation.fixed_point(model, *arguments, rounds=3)


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


def test_the_three_loops_have_one_signature():
    names = [
        "model",
        "likelihood",
        "uniforms",
        "given",
        "known",
        "temperature",
        "labels",
    ]
    further = {generation.fixed_point: ["rounds"]}
    for loop in generation.naive, generation.fixed_point, generation.cached:
        expected = names + further.get(loop, [])
        assert list(inspect.signature(loop).parameters) == expected


def test_the_loops_take_uniform_numbers_in_double_precision():
    model = pixelcnn((3, 4, 1), filters=4, depth=1)
    uniforms = np.random.default_rng(0).random((2, 3, 4, 1))
    drawn = [
        loop(model, model.likelihood, numbers, 0 * numbers, np.zeros((3, 4), bool), 1.0)
        for loop in (generation.cached, generation.naive)
        for numbers in (uniforms, uniforms.astype("float32"))
    ]
    for images in drawn[1:]:
        np.testing.assert_array_equal(images, drawn[0])


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


def test_defaults_are_those_of_the_documentation():
    model, quick = small((2, 2, 1)), {"method": "fixed_point"}
    uniforms = np.random.default_rng(0).random((16, 2, 2, 1), dtype="float32")
    drawn = generation.generate(model, uniforms=uniforms, **quick)
    assert drawn.shape == (16, 2, 2, 1)
    same = generation.generate(model, 16, uniforms=uniforms, temperature=1, **quick)
    np.testing.assert_array_equal(drawn, same)
    known = np.eye(2, dtype=bool)
    completed = generation.complete(model, drawn[:3], known, seed=0, **quick)
    assert completed.shape == (3, 1, 2, 2, 1)
    same = generation.complete(
        model, drawn[:3], known, seed=0, temperature=1, count=1, **quick
    )
    np.testing.assert_array_equal(completed, same)


def test_uniform_numbers_may_be_0_but_not_below():
    model, quick = small((2, 2, 1)), {"method": "fixed_point"}
    lowest = np.zeros((1, 2, 2, 1))
    assert (
        generation.generate(model, 1, uniforms=lowest, **quick) == 1
    ).all()  # 0 is below any p
    for wrong in (np.full_like(lowest, -1e-3), lowest.astype(str), lowest + 1 - 1e-9):
        with pytest.raises(ValueError, match="uniforms"):
            generation.generate(model, 1, uniforms=wrong, **quick)


def complete_second_of_two(model, particles, seed):
    """Complete the first of two pixels, the second is ink: ESS and warnings."""
    known, ink = np.array([[False, True]]), np.ones((1, 1, 2, 1), "float32")
    arguments = {"particles": particles, "seed": seed, "method": "fixed_point"}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        _, (ess,) = generation.complete(model, ink, known, return_ess=True, **arguments)
    return ess, told


def test_few_effective_particles_are_said_and_enough_are_not():
    # weights: 0.9 if the first pixel is ink, drawn with 0.1, and 0.1 if it is paper
    model, counts = chain(-np.log(9.0), 2 * np.log(9.0), (1, 2, 1)), [0, 0]
    for particles in (2, 4, 12, 14):
        for seed in range(40):
            ess, told = complete_second_of_two(model, particles, seed)
            few = bool(ess < min(5, particles / 2))
            assert len(told) == few, (particles, ess)
            assert all(warning.filename == __file__ for warning in told)
            counts[few] += 1
    assert min(counts) > 20


def test_half_of_the_particles_are_enough():
    # ink never follows ink: of two particles that differ, one has the whole weight
    model = chain(0.0, -200.0, (1, 2, 1))
    found = [complete_second_of_two(model, 2, seed) for seed in range(10)]
    assert {1.0, 2.0} == {round(float(ess), 6) for ess, _ in found}
    assert not any(told for _, told in found)


@pytest.mark.parametrize("particles", [2, 3])
def test_each_particle_may_be_chosen(particles):
    model = small((2, 5, 1))
    known = np.zeros((2, 5), bool)
    known[0, 0] = True  # it comes first: all weights are equal
    image = np.ones((1, 2, 5, 1), "float32")
    arguments = {"seed": 1, "method": "fixed_point"}
    one_each = generation.complete(model, image, known, count=particles, **arguments)
    assert len(np.unique(one_each[0], axis=0)) == particles
    drawn = generation.complete(
        model, image, known, particles=particles, count=64, **arguments
    )
    np.testing.assert_array_equal(
        np.unique(drawn[0], axis=0), np.unique(one_each[0], axis=0)
    )


def test_a_seed_and_uniforms_together_are_refused():
    uniforms = np.zeros((1, 3, 3, 1), "float32")
    with pytest.raises(ValueError, match="not both"):
        generation.generate(small(), 1, seed=0, uniforms=uniforms)


@pytest.mark.parametrize(
    ("function", "by_place"),
    [
        (generation.generate, ["model", "count"]),
        (generation.generate_slices, ["model", "count"]),
        (generation.complete, ["model", "images", "known"]),
    ],
)
def test_settings_are_given_by_name_and_sixteen_images_are_drawn(function, by_place):
    parameters = inspect.signature(function).parameters.values()
    either = inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert [one.name for one in parameters if one.kind == either] == by_place
    rest = [one.kind for one in parameters if one.name not in by_place]
    assert set(rest) == {inspect.Parameter.KEYWORD_ONLY}
    defaults = {one.name: one.default for one in parameters}
    assert defaults["count"] == (1 if function is generation.complete else 16)
