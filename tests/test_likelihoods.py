"""Likelihoods: probabilities that sum to one, draws that follow them."""

import math

from pixelcnn_edu.likelihoods import (
    Bernoulli,
    Categorical,
    NegativeLogLikelihood,
    _cumulative,
    draw_levels,
)
from pixelcnn_edu.mixture import DiscretizedLogisticMixture

import keras
import numpy as np
import pytest
import tensorflow as tf
from chi_squared import assert_fit

SOFTMAXES = [Bernoulli(), Categorical(2), Categorical(4), Categorical(256)]
MIXTURES = [
    DiscretizedLogisticMixture(1, 2),
    DiscretizedLogisticMixture(3, 4),
    DiscretizedLogisticMixture(5, 256),
]
ALL = SOFTMAXES + MIXTURES


def logits_for(likelihood, shape, scale=2.0, seed=0):
    channels = likelihood.logits_per_pixel(shape[-1])
    rng = np.random.default_rng(seed)
    return (scale * rng.normal(size=(*shape[:-1], channels))).astype("float32")


@pytest.mark.parametrize("likelihood", ALL, ids=repr)
def test_probabilities_of_a_pixel_sum_to_one(likelihood):
    logits = logits_for(likelihood, (1, 1, 1, 1))
    levels = np.arange(likelihood.levels, dtype="float32") / (likelihood.levels - 1)
    images = levels.reshape(-1, 1, 1, 1)
    log_p = likelihood.log_prob(np.repeat(logits, len(images), 0), images)
    assert log_p.shape == (likelihood.levels,)
    assert abs(np.exp(log_p).sum() - 1) < 2e-5
    p = np.asarray(likelihood.probabilities(logits, np.zeros((1, 1, 1, 1), "float32")))
    assert p.shape == (1, 1, 1, 1, likelihood.levels)
    np.testing.assert_allclose(p.ravel(), np.exp(log_p), atol=1e-6)


def test_bernoulli_is_the_textbook_formula():
    logits = np.array([0.0, 1.5, -3.0], "float32").reshape(3, 1, 1, 1)
    p = 1 / (1 + np.exp(-logits.ravel()))
    for value, expected in ((1, np.log(p)), (0, np.log(1 - p))):
        images = np.full((3, 1, 1, 1), value, "float32")
        np.testing.assert_allclose(
            Bernoulli().log_prob(logits, images), expected, rtol=1e-5
        )


@pytest.mark.parametrize("likelihood", SOFTMAXES[:3], ids=repr)
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_tempered_probabilities(likelihood, temperature):
    draws, levels = 400_000, likelihood.levels
    logits = logits_for(likelihood, (1, 2, 1, 2))
    uniforms = np.random.default_rng(1).random((draws, 2, 1, 2), dtype="float32")
    values = likelihood.sample(np.repeat(logits, draws, 0), uniforms, temperature)
    values = np.round(np.asarray(values) * (levels - 1)).astype(int)
    by_channel = logits.reshape(2, 2, -1) / temperature
    if levels == 2 and by_channel.shape[-1] == 1:
        by_channel = np.concatenate([np.zeros_like(by_channel), by_channel], -1)
    expected = np.exp(by_channel) / np.exp(by_channel).sum(-1, keepdims=True)
    for row in range(2):
        for channel in range(2):
            counts = np.bincount(values[:, row, 0, channel], minlength=levels)
            assert_fit(counts, draws * expected[row, channel])


@pytest.mark.parametrize("likelihood", ALL, ids=repr)
def test_temperature_zero_takes_the_most_likely_level(likelihood):
    logits = logits_for(likelihood, (3, 2, 2, 1))
    uniforms = np.random.default_rng(0).random((3, 2, 2, 1), dtype="float32")
    values = np.asarray(likelihood.sample(logits, uniforms, 0))
    cold = np.asarray(likelihood.sample(logits, uniforms, 1e-4))
    np.testing.assert_array_equal(values, cold)


@pytest.mark.parametrize("temperature", [1e-36, 1e-30, 0.5, 0.99, 1.0, 2.0])
@pytest.mark.parametrize(
    "logits",
    [
        [0, np.inf, 0, 0],
        [0, 3e38, 1e38, 0],
        [-3e38, -1e38, -3e38, -3e38],
        [-3e38, np.nextafter(np.float32(-3e38), np.float32(0)), -3e38, -3e38],
        [4e8 - 64, 4e8, 0, 0],
    ],
)
def test_the_largest_logit_is_drawn_if_its_quotient_is_infinite(logits, temperature):
    uniforms = np.array([[0.5]], "float32")
    value = Categorical(4).sample(np.array([logits], "float32"), uniforms, temperature)
    assert round(float(value[0, 0]) * 3) == 1


def test_a_compiled_draw_of_many_levels_has_a_probability_above_zero():
    """Compiled cumulative sums of 3,000 levels fall in places, by the last bit."""
    rng = np.random.default_rng(0)
    logits = np.where(rng.random(3000) < 0.5, -1e4, rng.normal(0, 1, 3000))
    logits = tf.constant(logits[None], "float32")

    @tf.function(jit_compile=True)
    def cumulative(logits):
        return _cumulative(tf.nn.softmax(logits))

    edges = cumulative(logits).numpy().ravel()
    edges = np.append(edges, np.nextafter(edges, np.float32(0)))
    uniforms = np.unique(edges[edges < 1])[:, None]

    @tf.function(jit_compile=True)
    def draw(logits, uniforms):
        return Categorical(3000).sample(logits, uniforms)

    values = draw(tf.repeat(logits, len(uniforms), axis=0), uniforms).numpy()
    level = np.round(values.ravel() * 2999).astype(int)
    assert (logits.numpy()[0, level] > -1e4).all()


def test_categorical_logits_are_laid_out_channel_by_channel():
    logits = np.zeros((1, 1, 1, 6), "float32")
    logits[..., 3 + 2] = 50  # second channel, level 2
    value = Categorical(3).sample(logits, np.full((1, 1, 1, 2), 0.5, "float32"))
    assert np.asarray(value)[0, 0, 0, 1] == 1.0
    image = np.array([0.5, 1.0], "float32").reshape(1, 1, 1, 2)
    log_p = float(Categorical(3).log_prob(logits, image)[0])
    assert log_p == pytest.approx(-math.log(3), abs=1e-5)


def mixture_by_hand(logits, levels):
    """P(level) as the paper's equation 2 has it, one channel, in float64: (levels,)."""
    weights, means, log_scales = logits.astype("float64").reshape(3, -1)
    weights = np.exp(weights) / np.exp(weights).sum()
    x = np.linspace(-1, 1, levels)[:, None]
    half = 1 / (levels - 1)
    upper, lower = (
        0.5 + 0.5 * np.tanh((end - means) / (2 * np.exp(log_scales)))  # the sigmoid
        for end in (x + half, x - half)
    )
    upper[-1], lower[0] = 1, 0  # the outermost bins reach to infinity
    return (weights * (upper - lower)).sum(axis=1)


@pytest.mark.parametrize("levels", [2, 3, 16, 256])
def test_a_mixture_is_equation_2_of_its_paper(levels):
    for seed in range(5):
        likelihood = DiscretizedLogisticMixture(3, levels)
        logits = logits_for(likelihood, (1, 1), scale=1.5, seed=seed)
        p = np.asarray(likelihood.probabilities(logits, np.zeros((1, 1), "float32")))
        np.testing.assert_allclose(
            p[0, 0], mixture_by_hand(logits[0], levels), rtol=1e-3, atol=1e-6
        )


def all_colors(levels):
    """Every color: (levels³, 1, 1, 3)."""
    values = np.arange(levels, dtype="float32") / np.float32(levels - 1)
    grid = np.meshgrid(values, values, values, indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, 1, 1, 3)


@pytest.mark.parametrize("levels", [2, 4, 16])
def test_the_probabilities_of_all_colors_sum_to_one(levels):
    likelihood, colors = DiscretizedLogisticMixture(3, levels), all_colors(levels)
    logits = logits_for(likelihood, (1, 1, 1, 3))
    log_p = likelihood.log_prob(np.repeat(logits, len(colors), 0), colors)
    assert abs(np.exp(log_p).sum() - 1) < 1e-4
    # and they are the product of each channel's, given those before it
    p = likelihood.probabilities(np.repeat(logits, len(colors), 0), colors)
    level = np.round(colors * (levels - 1)).astype(int)
    chained = np.take_along_axis(np.asarray(p), level[..., None], -1).prod((-1, -2))
    np.testing.assert_allclose(chained.ravel(), np.exp(log_p), rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_colors_of_a_mixture_are_drawn_as_often_as_they_should_be(temperature):
    draws, likelihood, colors = 40_000, DiscretizedLogisticMixture(2, 3), all_colors(3)
    logits = logits_for(likelihood, (1, 1, 1, 3), seed=2)
    uniforms = np.random.default_rng(1).random((draws, 1, 1, 3), dtype="float32")
    drawn = likelihood.sample(np.repeat(logits, draws, 0), uniforms, temperature)
    index = np.round(np.asarray(drawn).reshape(draws, 3) * 2) @ [9, 3, 1]
    counts = np.bincount(index.astype(int), minlength=27)
    p = np.asarray(likelihood.probabilities(np.repeat(logits, 27, 0), colors))
    p = p ** (1 / temperature)
    p /= p.sum(axis=-1, keepdims=True)
    level = np.round(colors * 2).astype(int)[..., None]
    expected = draws * np.take_along_axis(p, level, -1).prod((1, 2, 3, 4))
    assert_fit(counts, expected)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_mixture_has_finite_gradients_at_any_logits(scale, channels):
    likelihood = DiscretizedLogisticMixture(4, 256)
    logits = tf.constant(logits_for(likelihood, (64, 2, 2, channels), scale))
    levels = np.random.default_rng(0).integers(0, 256, (64, 2, 2, channels))
    images = (levels / 255).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(logits)
        log_p = likelihood.log_prob(logits, images)
    assert np.isfinite(log_p).all()
    assert np.isfinite(tape.gradient(log_p, logits)).all()


@pytest.mark.parametrize("likelihood", ALL, ids=repr)
def test_a_drawn_value_is_exactly_one_of_the_levels(likelihood):
    logits = logits_for(likelihood, (500, 1), seed=3)
    uniforms = np.random.default_rng(0).random((500, 1), dtype="float32")
    steps = np.arange(likelihood.levels, dtype="float32")
    allowed = steps / np.float32(likelihood.levels - 1)
    compiled = tf.function(
        lambda: likelihood.sample(logits, uniforms, 1.0), jit_compile=True
    )
    for drawn in (likelihood.sample(logits, uniforms), compiled()):
        assert np.isin(np.asarray(drawn), allowed).all()


@pytest.mark.parametrize("likelihood", ALL, ids=repr)
def test_likelihoods_survive_serialization(likelihood):
    config = keras.saving.serialize_keras_object(likelihood)
    assert keras.saving.deserialize_keras_object(config) == likelihood


def test_the_loss_is_the_mean_negative_log_probability_and_survives_serialization():
    likelihood = Categorical(4)
    images = np.round(np.random.default_rng(0).random((5, 3, 3, 1)) * 3) / 3
    logits = logits_for(likelihood, images.shape)
    loss = NegativeLogLikelihood(likelihood)
    expected = -np.mean(likelihood.log_prob(logits, images))
    assert float(loss(images, logits)) == pytest.approx(expected, rel=1e-6)
    config = keras.saving.serialize_keras_object(loss)
    again = keras.saving.deserialize_keras_object(config)
    assert again.likelihood == likelihood
    assert again.get_config() == loss.get_config()


@pytest.mark.parametrize("likelihood", ALL, ids=repr)
@pytest.mark.parametrize("value", [255.0, 2.0, 1.01, -0.01, -1.0, np.inf, np.nan])
def test_a_value_outside_the_levels_makes_the_log_probability_nan(likelihood, value):
    images = np.zeros((2, 2, 2, 1), "float32")
    images[1, 0, 1] = value
    logits = logits_for(likelihood, images.shape)
    compiled = tf.function(
        lambda: likelihood.log_prob(logits, images), jit_compile=True
    )
    for log_p in (likelihood.log_prob(logits, images), compiled()):
        np.testing.assert_array_equal(np.isnan(log_p), [False, True])
    uncertain = np.float32(1 + 1e-4 / (likelihood.levels - 1))  # by rounding
    log_p = likelihood.log_prob(logits, np.full_like(images, uncertain))
    assert np.isfinite(log_p).all()


def test_bad_arguments_are_named():
    x = np.zeros((2, 3, 3, 1), "float32")
    with pytest.raises(ValueError, match="Expected logits of shape"):
        Bernoulli().log_prob(np.zeros((2, 3, 3, 2), "float32"), x)
    with pytest.raises(ValueError, match="Expected logits of shape"):
        Categorical(4).sample(np.zeros((2, 3, 3, 5), "float32"), x)
    with pytest.raises(ValueError, match="temperature"):
        Bernoulli().sample(x, x, temperature=-1)
    for levels in (1, 0, 2.5, "4", True):
        with pytest.raises(ValueError, match="levels"):
            Categorical(levels)
        with pytest.raises(ValueError, match="levels"):
            DiscretizedLogisticMixture(5, levels)
    with pytest.raises(ValueError, match="components"):
        DiscretizedLogisticMixture(0, 4)
    with pytest.raises(ValueError, match="1 or 3 channels"):
        DiscretizedLogisticMixture(2, 4).logits_per_pixel(2)
    with pytest.raises(ValueError, match=r"a Likelihood, such as Bernoulli.*'mse'"):
        NegativeLogLikelihood("mse")


@keras.saving.register_keras_serializable(package="test")
class Warmer(Bernoulli):
    """A likelihood of a user's own, with a setting."""

    def __init__(self, by=1.0):
        self.by = by

    def _log_prob_of_pixels(self, logits, images):
        return super()._log_prob_of_pixels(logits / self.by, images)


def test_a_likelihood_of_one_s_own_keeps_its_settings(tmp_path):
    from pixelcnn_edu import evaluation, models

    model = models.pixelcnn((3, 3, 1), filters=4, depth=1, likelihood=Warmer(4.0))
    model.set_weights([weight + 0.3 for weight in model.get_weights()])
    model.save(tmp_path / "warmer.keras")
    loaded = keras.models.load_model(tmp_path / "warmer.keras")
    assert loaded.likelihood == Warmer(4.0) != Warmer(1.0)
    images = np.ones((1, 3, 3, 1), "float32")
    nats = [evaluation.nats_per_image(one, images) for one in (model, loaded)]
    np.testing.assert_array_equal(*nats)
    other = evaluation.nats_per_image(model, images, likelihood=Warmer(1.0))
    assert not np.allclose(nats[0], other)


@pytest.mark.parametrize("likelihood", ALL, ids=repr)
def test_the_log_probability_of_an_image_is_the_sum_of_its_pixels(likelihood):
    images = np.zeros((2, 3, 4, 1), "float32")
    logits = logits_for(likelihood, images.shape)
    before = np.asarray(likelihood.log_prob_of_pixels(logits, images))
    assert before.shape == (2, 3, 4)
    whole = likelihood.log_prob(logits, images)
    np.testing.assert_allclose(before.sum((1, 2)), whole, rtol=1e-5)
    images[1, 0, 2] = 1
    changed = likelihood.log_prob_of_pixels(logits, images) != before
    assert np.argwhere(changed).tolist() == [[1, 0, 2]]


def test_a_uniform_number_equal_to_a_cumulative_probability_draws_the_level_above():
    logits = np.zeros((4, 4), "float32")
    uniforms = np.float32([[0], [0.25], [0.5], [0.75]])
    drawn = Categorical(4).sample(logits, uniforms)
    np.testing.assert_array_equal(np.round(drawn * 3), [[0], [1], [2], [3]])
    impossible = np.float32([[-1e4, -1e4, 0, 0]])
    assert round(float(Categorical(4).sample(impossible, [[0]])[0, 0]) * 3) == 2
    half = np.float32([[0.5]])
    assert Bernoulli().sample(np.zeros((1, 1)), half) == 0
    assert (
        Bernoulli().sample(np.zeros((1, 1)), half, 0) == 0
    )  # the lower level, as argmax


def test_a_float64_number_just_below_1_does_not_become_1():
    for likelihood, logits in (
        (Bernoulli(), [[50.0]]),
        (Categorical(2), [[0.0, 50.0]]),
    ):
        assert likelihood.sample(np.float32(logits), np.array([[1 - 1e-9]])) == 1


def test_the_colors_of_a_mixture_are_equation_3_of_its_paper():
    likelihood = MIXTURES[1]
    levels, m = likelihood.levels, likelihood.components
    images = all_colors(levels)
    logits = logits_for(likelihood, images.shape, scale=1.5)
    parts = logits.astype("float64").reshape(-1, 10, m)
    weights = np.exp(parts[:, 0]) / np.exp(parts[:, 0]).sum(-1, keepdims=True)
    means, scales, c = parts[:, 1:4], np.exp(parts[:, 4:7]), np.tanh(parts[:, 7:])
    x = 2 * images.astype("float64").reshape(-1, 3) - 1
    red, green = x[:, 0, None], x[:, 1, None]
    means[:, 1] += c[:, 0] * red
    means[:, 2] += c[:, 1] * red + c[:, 2] * green
    half = 1 / (levels - 1)
    upper, lower = (
        0.5 + 0.5 * np.tanh((x[..., None] + end - means) / (2 * scales))
        for end in (half, -half)
    )
    upper[x == 1], lower[x == -1] = 1, 0
    by_hand = (weights * (upper - lower).prod(axis=1)).sum(axis=1)
    log_p = likelihood.log_prob(logits, images)
    np.testing.assert_allclose(np.exp(log_p), by_hand, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("limit", [-7, 7])
def test_the_scales_of_a_mixture_are_kept_within_limits(limit):
    likelihood = MIXTURES[0]
    images = np.zeros((4, 1, 1, 1), "float32")
    logits = np.zeros((4, 1, 1, 3), "float32")
    logits[..., 1] = -0.01  # the mean, close to the limit between the two levels
    logits[..., 2] = np.reshape([2 * limit, limit, limit + 0.5, limit - 0.5], (4, 1, 1))
    beyond, at, above, below = np.asarray(likelihood.log_prob(logits, images))
    assert beyond == at
    assert (at == below, at == above) == (limit < 0, limit > 0)


def test_likelihoods_are_equal_if_their_kinds_and_settings_are():
    for i, one in enumerate(ALL):
        for j, other in enumerate(ALL):
            assert (one == other) == (i == j)
    assert len({*ALL, *map(type(ALL[2]), [2, 4])}) == len(ALL)  # equal ones hash alike
    assert Categorical(4) != 4


def test_infinite_logits_give_no_nan():
    black = np.zeros((1, 1, 1, 1), "float32")
    logits = np.array([0, 0, -np.inf, -np.inf], "float32").reshape(1, 1, 1, 4)
    log_p = [float(Categorical(4).log_prob(logits, black + k / 3)[0]) for k in range(4)]
    np.testing.assert_allclose(
        log_p, np.log([0.5, 0.5, 1e-99, 1e-99]) * [1, 1, np.inf, np.inf]
    )
    for logit in (-np.inf, np.inf):
        for ink in (0, 1):
            log_p = float(Bernoulli().log_prob(black + logit, black + ink)[0])
            assert np.exp(log_p) == (ink == (logit > 0))


def test_a_level_of_probability_0_is_never_drawn():
    """The sum of the other probabilities is below the uniform number, by rounding."""
    logits = np.random.default_rng(0).normal(size=(500, 8)).astype("float32")
    logits[:, 6:] = -np.inf
    highest = np.full((500, 1), np.nextafter(np.float32(1), np.float32(0)))
    drawn = np.asarray(Categorical(8).sample(logits, highest))
    assert drawn.max() * 7 == 5


@pytest.mark.parametrize("levels", [3, 256, 20_000, 59_815])
def test_of_many_levels_each_is_drawn_by_its_probability(levels):
    uniforms = np.linspace(0, 1, 200, endpoint=False).astype("float32")
    drawn = draw_levels(np.zeros((200, levels), "float32"), uniforms, 1)
    drawn = np.asarray(drawn, "float64") * (levels - 1)
    assert np.abs(drawn + 0.5 - uniforms * levels).max() < 0.5 + 3e-6 * levels


def test_the_last_level_is_not_drawn_in_place_of_what_rounding_leaves_to_1():
    log_p = np.linspace(0, -40, 4096, dtype="float32")
    uniforms = 1 - 2.0 ** -np.arange(8, 23)
    drawn = draw_levels(np.tile(log_p, (15, 1)), uniforms.astype("float32"), 1)
    p = np.exp(log_p.astype("float64"))
    right = np.searchsorted(np.cumsum(p) / p.sum(), uniforms, "right") / 4095
    np.testing.assert_allclose(np.asarray(drawn), right, atol=0.03)


@pytest.mark.parametrize("temperature", [0, 1.0])
@pytest.mark.parametrize("likelihood", ALL, ids=repr)
def test_from_logits_that_are_not_numbers_no_level_is_drawn(likelihood, temperature):
    logits = logits_for(likelihood, (2, 3))
    logits[0, 0] = np.nan
    uniforms = np.full((2, 3), 0.5, "float32")
    drawn = np.asarray(likelihood.sample(logits, uniforms, temperature))
    np.testing.assert_array_equal(np.isnan(drawn), [[True] * 3, [False] * 3])
