"""Layers of a user's own classes: drawn rightly by the cache, or refused by name."""

import functools
import pathlib
import re

from pixelcnn_edu import causality, generation, page_cache, training
from pixelcnn_edu._pixel_loop import pixel_loop
from pixelcnn_edu.gated import StackConv2D
from pixelcnn_edu.layers import MaskedConv2D, PositionBias
from pixelcnn_edu.likelihoods import Bernoulli
from pixelcnn_edu.masks import causal_mask
from pixelcnn_edu.models import ImageModel

import keras
import numpy as np
import pytest
from keras import layers, ops
from test_evaluation import randomize

ROOT = pathlib.Path(__file__).parents[1]
SCALE = np.linspace(0.5, 2, 8, dtype="float32")


def model_with(layer, channels=8):
    image = keras.Input((4, 5, 1))
    x = layer(MaskedConv2D(channels, 3, "A")(image))
    model = ImageModel(image, layers.Conv2D(1, 1)(x), likelihood=Bernoulli())
    randomize(model)
    return model


class OwnCall(MaskedConv2D):
    runs_as = "convolution"

    def call(self, inputs):
        return ops.tanh(3 * super().call(inputs))


class OwnConvolution(StackConv2D):
    runs_as = "convolution"

    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, ops.abs(kernel))


class SmallMask(MaskedConv2D):
    """Reads the pixel above, the left one and itself; its mask broadcasts."""

    runs_as = "convolution"

    def build(self, input_shape):
        super().build(input_shape)
        cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], "float32")
        self.mask = causal_mask(3, "B") * cross[:, :, None, None]  # (3, 3, 1, 1)


class RowMask(MaskedConv2D):
    """Its mask of shape (1, 3, 1, 1) holds for each row, also for the one below."""

    runs_as = "convolution"

    def build(self, input_shape):
        super().build(input_shape)
        self.mask = np.float32([1, 1, 0]).reshape(1, 3, 1, 1)


class WideInside(layers.Layer):
    """Sums 16 channels and one channel inside, by Keras's ``add``."""

    runs_as = "pixelwise"

    def build(self, input_shape):
        page = keras.Input((None, None, input_shape[-1]))
        x = layers.Dense(16, "relu")(page)
        self.net = keras.Model(page, layers.Dense(8, "tanh")(x + layers.Dense(1)(x)))

    def call(self, inputs):
        return self.net(inputs)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 8)


class OwnMask(MaskedConv2D):
    """Reads no pixel of the row above."""

    runs_as = "convolution"

    def build(self, input_shape):
        super().build(input_shape)
        self.mask[0] = 0


class Depthwise(MaskedConv2D):
    """Each channel reads itself alone."""

    runs_as = "convolution"

    def build(self, input_shape):
        super().build(input_shape)
        self.mask = self.mask * np.eye(self.filters)


@keras.saving.register_keras_serializable(package="test_own_layers")
class WithOnes(layers.Layer):
    """Append a channel of ones; outside the page a convolution reads 0 there."""

    runs_as = "pixelwise"

    def call(self, inputs):
        return ops.concatenate([inputs, ops.ones_like(inputs[..., :1])], axis=-1)


@keras.saving.register_keras_serializable(package="test_own_layers")
class Taps(MaskedConv2D):
    """Copy each live tap of a kernel into a group of channels of its own."""

    runs_as = "convolution"

    def build(self, input_shape):
        super().build(input_shape)
        channels, whole = input_shape[-1], self.mask
        self.mask = np.zeros_like(whole)
        for group, (i, j) in enumerate(np.argwhere(whole.any(axis=(2, 3)))):
            copy = slice(group * channels, (group + 1) * channels)
            self.mask[i, j, :, copy] = np.eye(channels)


@keras.saving.register_keras_serializable(package="test_own_layers")
class Attend(layers.Layer):
    """Attention over the groups of `Taps`; the last group is the pixel's own."""

    runs_as = "pixelwise"

    def __init__(self, taps, size=3, **kwargs):
        super().__init__(**kwargs)
        self.taps, self.size = taps, size

    def build(self, input_shape):
        shape = input_shape[-1] // self.taps, self.size
        self.query, self.key, self.value = (
            self.add_weight(shape=shape) for _ in range(3)
        )

    def call(self, inputs):
        each = ops.stack(ops.split(inputs, self.taps, axis=-1), axis=-2)
        query = ops.matmul(each[..., -1:, :], self.query)
        score = ops.sum(query * ops.matmul(each, self.key), axis=-1)
        score = ops.where(each[..., -1] > 0.5, score, -1e9)  # outside the page
        share = ops.softmax(score)[..., None]
        return ops.sum(share * ops.matmul(each, self.value), axis=-2)

    def get_config(self):
        return {**super().get_config(), "taps": self.taps, "size": self.size}


def attention_block(x, filters, kernel_size=3):
    taps = int(causal_mask(kernel_size, "B").sum())
    fixed = {"kernel_initializer": "ones", "use_bias": False, "trainable": False}
    y = Taps(taps * (filters + 1), kernel_size, **fixed)(WithOnes()(x))
    return layers.add([x, MaskedConv2D(filters, 1)(Attend(taps)(y))])


def test_attention_in_a_window_trains_and_is_drawn_by_the_cache(tmp_path):
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 5, 1))
    x = attention_block(MaskedConv2D(4, 3, "A")(image), 4)
    logits = MaskedConv2D(1, 1)(attention_block(x, 4))
    model = ImageModel(image, logits, likelihood=Bernoulli())
    images = np.random.default_rng(0).random((16, 4, 5, 1), "float32").round()
    before = model.get_weights()
    training.fit(model, images, epochs=2, batch_size=8, learning_rate=0.05, verbose=0)
    moved = [(a != b).any() for a, b in zip(before, model.get_weights(), strict=True)]
    assert sum(moved) == len(moved) - 2  # all but the two kernels that copy
    causality.assert_causal(model)
    drawn = [
        generation.generate(model, 8, seed=0, method=m) for m in generation.METHODS
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn[0], drawn[2])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(images), model(images))


class SaysNothing(MaskedConv2D):
    pass


class SaysConvolution(layers.Conv2D):
    runs_as = "convolution"


class Pointwise(layers.Layer):
    runs_as = "pixelwise"

    def call(self, inputs):
        return 2 * inputs


class SaysConvolutionAndIsNone(Pointwise):
    runs_as = "convolution"


class Misspelled(Pointwise):
    runs_as = "pixel-wise"


class Silent(Pointwise):
    pass


class ConvolutionInside(layers.Layer):
    runs_as = "pixelwise"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = MaskedConv2D(8, 3)

    def call(self, inputs):
        return self.inner(inputs)


class FarLeft(layers.Layer):
    runs_as = "pixelwise"

    def call(self, inputs):
        return ops.pad(inputs, ((0, 0), (0, 0), (9, 0), (0, 0)))[:, :, :-9]


class OneByOne(layers.Conv2D):
    """A convolution whose call works on each pixel by itself."""

    runs_as = "pixelwise"

    def call(self, inputs):
        return ops.tanh(super().call(inputs))


class NamedActivation(Pointwise):
    runs_as = "pixelwise"
    activation = "relu"


class OwnBias(PositionBias):
    runs_as = "pixelwise"

    def call(self, inputs):
        return 2 * super().call(inputs)


class PositionScale(layers.Layer):
    """A copy of `PositionBias` with a product."""

    runs_as = "pixelwise"

    def build(self, input_shape):
        self.scale = self.add_weight(shape=tuple(input_shape[1:]))

    def call(self, inputs):
        return inputs * self.scale


class MixesColumns(layers.Layer):
    runs_as = "pixelwise"

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[2], input_shape[2]))

    def call(self, inputs):
        return ops.einsum("nhwc,wv->nhvc", inputs, self.kernel)


class OwnSlopes(layers.PReLU):
    """One slope per pixel; Keras says that the shape stays the same."""

    runs_as = "pixelwise"


class Two(layers.Layer):
    runs_as = "pixelwise"

    def call(self, inputs):
        return [inputs, inputs]


class Centered(layers.Layer):
    """Reads the mean of the whole batch."""

    runs_as = "pixelwise"

    def call(self, inputs):
        spread = ops.std(inputs, axis=(0, 1, 2), keepdims=True)
        return (inputs - ops.mean(inputs, axis=(0, 1, 2), keepdims=True)) / spread


class WithLoss(Pointwise):
    runs_as = "pixelwise"

    def call(self, inputs):
        self.add_loss(ops.mean(inputs**2))
        return inputs


def replaced(x):
    layer = PositionBias()
    layer.call = lambda inputs: 2 * inputs
    return layer(x)


def own_convolution_replaced(x):
    layer = OwnMask(8, 3)
    layer.call = lambda inputs: 2 * inputs
    return layer(x)


def identity_replaced(x):
    layer = layers.Identity()
    layer.call = shifted
    return layer(x)


@functools.wraps(keras.activations.relu)
def shifted(x):
    """Its name and module are those of Keras's ReLU."""
    return ops.pad(x[:, :, :-1], ((0, 0), (0, 0), (1, 0), (0, 0)))


def inner_of_integers(x):
    """A model inside that takes integers: Keras casts what it is given."""
    image = keras.Input((4, 5, 8), dtype="int32")
    return keras.Model(image, layers.Rescaling(0.5)(image))(x)


class AddsMean(layers.Layer):
    runs_as = "pixelwise"

    def call(self, inputs):
        return ops.add(inputs, ops.mean(inputs, axis=-1, keepdims=True))


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (AddsMean(), "Write x [+] y in its code, not keras.ops.add"),
        (
            OwnCall(8, 3),
            "replaces `call`, .* as MaskedConv2D .* into a layer of its own",
        ),
        (
            OwnConvolution(8, 3, "vertical"),
            "replaces `convolution_op`, .* as StackConv2D",
        ),
        (
            SaysNothing(8, 3),
            "SaysNothing.; its class does not say .*write runs_as = .convolution.",
        ),
        (SaysConvolution(8, 1), "is for MaskedConv2D, StackConv2D"),
        (SaysConvolutionAndIsNone(), "is for MaskedConv2D, StackConv2D"),
        (Misspelled(), "runs_as = 'pixel-wise'; expected 'pixelwise'"),
        (Silent(), "If it does, write runs_as = 'pixelwise' into its class"),
        (ConvolutionInside(), "it does not work on each pixel by itself"),
        (FarLeft(), "it does not work on each pixel by itself"),
        (Centered(), "it does not work on each pixel by itself"),
        (OwnBias(), "it fails on features of 64×64 pixels"),
        (PositionScale(), "its weights differ by pixel"),
        (MixesColumns(), "MixesColumns.; it fails on one pixel: "),
        (OwnSlopes(), "it fails on features of 64×64 pixels"),
        (Two(), "not one tensor"),
        (replaced, "its call was replaced"),
        (own_convolution_replaced, "its call was replaced"),
        (identity_replaced, "its call was replaced"),
        (layers.Activation(shifted), "its activation does not work on each pixel"),
        (layers.Activation(ops.flip), "its activation does not work on each pixel"),
        (inner_of_integers, "takes int32 with 4 axes, and is given float32 with 4"),
        (
            layers.Activation(lambda x: x * np.ones((4, 5, 1), "float32")),
            "its activation fails on features of 64×64 pixels",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else type(value).__name__,
)
def test_a_layer_that_cannot_be_drawn_pixel_by_pixel_is_refused_at_once(layer, words):
    def second(x):
        x = layer(x)
        return x[0] if isinstance(x, list) else x

    model = model_with(second)
    with pytest.raises(ValueError, match=words) as error:
        generation.generate(model, 1)
    assert str(error.value).endswith(
        "method='fixed_point', which runs any causal model."
    )
    with pytest.raises(ValueError, match=words) as error:
        pixel_loop(model, model.likelihood, advice="Ask for advice.")
    assert str(error.value).endswith(". Ask for advice.")
    assert "method=" not in str(error.value)


@pytest.mark.parametrize(
    "some",
    [
        [OwnMask(8, 3, activation="relu"), layers.Activation(lambda x: x * SCALE)],
        [Depthwise(8, 3, activation="relu"), layers.Conv2D(8, 1)],
        [SmallMask(8, 3), layers.Conv2D(8, 1)],
        [NamedActivation(), MaskedConv2D(8, 3, activation=lambda x: x * SCALE)],
        [
            OneByOne(8, 1),
            layers.Dense(8, activation=lambda x: x * SCALE),
            MaskedConv2D(8, 3, activation=lambda x: ops.softmax(x, axis=3)),
        ],
    ],
    ids=lambda some: ", ".join(type(layer).__name__ for layer in some),
)
def test_layers_that_can_be_drawn_pixel_by_pixel_are_drawn_as_by_the_naive_loop(some):
    model = model_with(lambda x: functools.reduce(lambda y, layer: layer(y), some, x))
    uniforms = np.random.default_rng(0).random((4, 4, 5, 1), dtype="float32")
    nothing = np.zeros_like(uniforms), np.zeros((4, 5), bool)
    arguments = model, model.likelihood, uniforms, *nothing, 1.0
    naive = generation.naive(*arguments)
    np.testing.assert_array_equal(generation.cached(*arguments), naive)
    np.testing.assert_array_equal(page_cache.draw(*arguments), naive)


def test_a_sum_inside_a_layer_is_tried_on_as_many_pixels_as_it_has_channels():
    model = model_with(WideInside())
    with pytest.raises(ValueError, match="on as many pixels as channels"):
        pixel_loop(model, model.likelihood)


def test_a_mask_that_broadcasts_to_a_later_row_is_refused():
    model = model_with(RowMask(8, 3))
    with pytest.raises(ValueError, match=r"not yet drawn, at .* = \(1, -1\)"):
        pixel_loop(model, model.likelihood)
    with pytest.raises(AssertionError):
        causality.assert_causal(model)


def test_a_label_that_an_inner_model_would_reshape_is_refused():
    image, label = keras.Input((4, 5, 1)), keras.Input(())
    one = keras.Input((1,))
    inner = keras.Model(one, layers.Reshape((1, 1, 1))(one))
    x = MaskedConv2D(1, 3, "A")(image) + inner(label)
    model = ImageModel([image, label], x, likelihood=Bernoulli())
    with pytest.raises(
        ValueError, match="float32 with 2 axes, .* given float32 with 1"
    ):
        generation.generate(model, 1, labels=0)


def test_the_trial_leaves_no_loss_in_the_layer():
    layer = WithLoss()
    model = model_with(layer)
    pixel_loop(model, model.likelihood)
    assert not layer.losses


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_rounding_in_half_precision_is_no_reason_to_refuse(policy):
    class Matrix(Pointwise):
        runs_as = "pixelwise"

        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(256, 8), initializer="normal")

        def call(self, inputs):
            return ops.matmul(inputs, self.kernel)

    layer = Matrix(dtype=policy)
    model = model_with(layer, channels=256)
    tensors = pixel_loop(model, model.likelihood).tensors
    assert layer in [tensor.operation for tensor in tensors]


def test_a_convolution_whose_weights_are_zero_at_first_is_found():
    model = model_with(layer := ConvolutionInside())
    layer.set_weights([0 * weight for weight in layer.get_weights()])
    with pytest.raises(ValueError, match="does not work on each pixel"):
        pixel_loop(model, model.likelihood)
    assert not any(weight.any() for weight in layer.get_weights())


def test_a_layer_of_a_user_is_compiled_in_the_first_call():
    for layer, loops in [(Pointwise(), 1), (layers.ReLU(), 0)]:
        model = model_with(layer)
        generation.generate(model, 1)
        assert len(pixel_loop(model, model.likelihood).compiled) == loops


def run_guide(heading) -> dict:
    """Run the code under a heading of the guide, and return the names that it makes."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = re.search(rf"## {heading}\n(.*?)\n## ", text, re.S).group(1)
    lines = [line[4:] for line in section.splitlines() if re.match(" {4}|$", line)]
    names = {"__name__": "the_guide"}
    exec("\n".join(lines), names)
    return names


def test_the_layer_and_the_block_of_the_guide_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = run_guide("A layer, a block")
    model, image = names["model"], np.zeros((1, 6, 5, 1), "float32")
    same = keras.models.load_model("mine.keras")
    np.testing.assert_array_equal(same(image), model(image))
    gate = names["SqueezeGate"](squeeze=2)
    assert names["SqueezeGate"].from_config(gate.get_config()).squeeze == 2


class ReadsFarLeft(keras.layers.Layer):
    runs_as = "pixelwise"

    def call(self, inputs):
        return (
            inputs
            + keras.ops.pad(inputs, ((0, 0), (0, 0), (17, 0), (0, 0)))[:, :, :-17]
        )


def test_a_layer_that_reads_a_pixel_far_away_is_refused():
    image = keras.Input((2, 20, 1))
    logits = MaskedConv2D(1, 1)(ReadsFarLeft()(MaskedConv2D(4, 3, "A")(image)))
    model = ImageModel(image, logits, likelihood=Bernoulli())
    with pytest.raises(ValueError, match="does not work on each pixel by itself"):
        generation.generate(model, 1, seed=0)


class RowSoFar(layers.Layer):
    """Adds the mean of the row so far, by a formula of two weights."""

    runs_as = "pixelwise"

    def __init__(self, formula, **arguments):
        super().__init__(**arguments)
        self.formula = formula

    def build(self, input_shape):
        self.a = self.add_weight(shape=(), initializer="ones")
        self.b = self.add_weight(shape=(), initializer="zeros")

    def call(self, inputs):
        count = np.arange(1, inputs.shape[2] + 1, dtype="float32")[:, None]
        return self.formula(inputs, ops.cumsum(inputs, axis=2) / count, self.a, self.b)


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize(
    "formula",
    [
        lambda x, mean, a, b: x - mean / ops.sqrt(a),  # NaN for a negative weight
        lambda x, mean, a, b: x / a + b * mean,  # the first term may be far larger
    ],
)
def test_a_layer_that_reads_its_row_is_refused_whatever_its_weights(formula, trainable):
    for channels in (8, 12, 14, 20):  # another size, other random weights
        image, layer = keras.Input((4, 5, 1)), RowSoFar(formula)
        x = layer(MaskedConv2D(channels, 3, "A")(image))
        layer.trainable = trainable
        model = ImageModel(image, layers.Conv2D(1, 1)(x), likelihood=Bernoulli())
        with pytest.raises(ValueError, match="does not work on each pixel by itself"):
            pixel_loop(model, model.likelihood)


class OnlyInTraining(keras.layers.Layer):
    runs_as = "pixelwise"

    def call(self, inputs, training=None):
        return inputs if training is False else 0.1 * inputs


def test_the_loop_tells_a_layer_that_it_is_not_trained():
    image = keras.Input((4, 4, 1))
    x = OnlyInTraining()(MaskedConv2D(4, 3, "A")(image))
    model = ImageModel(image, MaskedConv2D(1, 1)(x), likelihood=Bernoulli())
    randomize(model)
    naive, cached = (
        generation.generate(model, 8, seed=0, method=method)
        for method in ("naive", "cached")
    )
    np.testing.assert_array_equal(cached, naive)
