"""The pixel loop: the same image as the whole network, for any model it accepts."""

import functools
import gc
import operator
import weakref

from pixelcnn_edu import (
    _kernel_parts,
    _pixel_loop,
    generation,
    one_pixel,
    page_cache,
)
from pixelcnn_edu.gated import StackConv2D
from pixelcnn_edu.layers import MaskedConv2D, PositionBias
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.models import ImageModel, logits_function

import keras
import numpy as np
import pytest
from effort import examples, tally
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops
from test_evaluation import randomize
from test_generation import small, two_layers

pytestmark = pytest.mark.usefixtures("always_compiled")


def assert_same_images(model, first, second, uniforms, labels=()):
    """Images are equal, or part where a uniform number meets a cumulative probability.

    Later values of such an image may differ as they like.
    """
    for i in np.flatnonzero((first != second).reshape(len(first), -1).any(axis=1)):
        at = np.flatnonzero((first[i] != second[i]).reshape(-1))[0]
        inputs = [first[i : i + 1], *[label[i : i + 1] for label in labels]]
        logits = logits_function(model)(*inputs)
        p = np.asarray(model.likelihood.probabilities(logits, first[i : i + 1]), float)
        if model.likelihood == Bernoulli():
            p = p[..., ::-1]  # ink where u lies below p(ink)
        edges = p.cumsum(axis=-1).reshape(-1, p.shape[-1])[at]
        distance = abs(edges - uniforms[i].reshape(-1)[at])
        assert distance.min() < 1e-5, (
            f"image {i}, value {at}: {distance.min():.1e} apart"
        )


def compare(model, seed=0, count=5, temperature=1.0, labels=None, pages=False):
    shape = model.inputs[0].shape[1:]
    uniforms = np.random.default_rng(seed).random((count, *shape), dtype="float32")
    labels = [] if labels is None else [np.asarray(labels)]
    nothing = np.zeros(uniforms.shape, "float32"), np.zeros(shape[:2], bool)
    arguments = uniforms, *nothing, temperature, *labels
    loops = generation.naive, generation.fixed_point, generation.cached
    drawn = {loop.__name__: loop(model, model.likelihood, *arguments) for loop in loops}
    if pages:
        drawn["pages"] = page_cache.draw(model, model.likelihood, *arguments)
    assert drawn["cached"].shape == (count, *shape)
    assert drawn["cached"].dtype == np.float32
    if temperature == 1:
        for images in drawn.values():
            assert_same_images(model, drawn["naive"], images, uniforms, labels)
    else:
        np.testing.assert_array_equal(drawn["naive"], drawn["cached"])
    return drawn["cached"]


KERNELS = st.sampled_from([1, 3, 5, 7, (1, 3), (3, 1), (5, 3), (1, 7)])


def student_model(draw):
    """A random functional graph of the package's layers and Keras's pointwise ones."""
    shape = tuple(draw(st.tuples(*[st.integers(1, 7)] * 2, st.sampled_from([1, 2]))))
    image = keras.Input(shape)
    tensors = [MaskedConv2D(4, draw(KERNELS), "A")(image)]
    pointwise = {
        "relu": lambda x: layers.ReLU()(x),
        "slopes": lambda x: layers.PReLU(alpha_initializer="normal")(x),
        "position": lambda x: PositionBias()(x),
        "dense": lambda x: layers.Dense(4, activation="tanh")(x),
        "norm": lambda x: layers.LayerNormalization()(x),
        "batch": lambda x: layers.BatchNormalization()(x),
        "dropout": lambda x: layers.Dropout(0.5)(x),
        "masked": lambda x: MaskedConv2D(4, draw(KERNELS), activation="elu")(x),
        "hidden": lambda x: MaskedConv2D(4, draw(KERNELS), "A")(x),
        "one": lambda x: layers.Conv2D(4, 1, use_bias=False)(x),
        "inner": lambda x: keras.Sequential(
            [layers.Dense(4), MaskedConv2D(4, 3), layers.ELU()]
        )(x),
        "operation": lambda x: ops.tanh(1.5 * x) + x,
    }
    together = {
        "add": lambda x, y: layers.add([x, y]),
        "multiply": lambda x, y: layers.multiply([x, layers.Activation("sigmoid")(y)]),
        "concatenate": lambda x, y: layers.Dense(4)(layers.Concatenate()([x, y])),
        "plus": lambda x, y: x + y,
    }
    for _ in range(draw(st.integers(1, 6))):
        if draw(st.booleans()):
            chosen = draw(st.sampled_from(sorted(together)))
            pair = [draw(st.sampled_from(range(len(tensors)))) for _ in range(2)]
            tensors.append(together[chosen](*[tensors[i] for i in pair]))
        else:
            chosen = draw(st.sampled_from(sorted(pointwise)))
            tensors.append(pointwise[chosen](tensors[-1]))
    logits = layers.Conv2D(shape[-1], 1)(tensors[-1])
    model = ImageModel(image, logits, likelihood=Bernoulli())
    seed = draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0.3, 0.6, w.shape) ** 2 for w in model.get_weights()])
    return model, seed


@settings(max_examples=examples(9, 100))
@given(data=st.data())
def test_all_methods_draw_the_same_images_from_a_student_s_model(data):
    model, seed = student_model(data.draw)
    compare(model, seed, count=3)
    tally("random networks of Keras layers: three methods draw the same images")


def test_temperatures():
    # those of a Bernoulli below 1 are in test_first_call
    for likelihood, temperatures in (
        (Bernoulli(), (1.0, 1.7)),
        (Categorical(4), (0, 0.5, 1.0, 1.7)),
    ):
        model = small((4, 5, 1), likelihood)
        for temperature in temperatures:
            compare(model, temperature=temperature)


def test_color_groups_are_drawn_in_their_order():
    image = keras.Input((4, 5, 3))
    x = MaskedConv2D(6, 3, "A", colors=3)(image)
    x = MaskedConv2D(6, 3, "B", colors=3, activation="elu")(x)
    model = ImageModel(
        image, MaskedConv2D(3, 1, "B", colors=3)(x), likelihood=Bernoulli()
    )
    randomize(model)
    drawn = compare(model, count=16)
    channels = drawn.reshape(-1, 3)
    assert abs(np.corrcoef(channels.T)[0, 1]) > 0.02  # green depends on its pixel's red


def test_a_feature_that_sees_its_own_pixel_is_computed_anew_when_it_is_drawn():
    # B first and A later is causal too; the first features then know their own pixel
    image = keras.Input((5, 5, 1))
    x = MaskedConv2D(4, 3, "B", activation="tanh")(image)
    model = ImageModel(image, MaskedConv2D(1, 3, "A")(x), likelihood=Bernoulli())
    randomize(model)
    compare(model, count=32)


@pytest.mark.parametrize("colors", [2, 3])
def test_a_feature_that_sees_a_part_of_its_pixel_is_computed_anew(colors):
    # the logits hide the whole pixel, the first features see some of its colors
    image = keras.Input((5, 4, colors))
    x = MaskedConv2D(2 * colors, 3, "A", colors=colors, activation="tanh")(image)
    model = ImageModel(image, MaskedConv2D(colors, 3, "A")(x), likelihood=Bernoulli())
    randomize(model)
    right = compare(model, count=32)
    naive = _pixel_loop.PixelLoop(model, model.likelihood)
    naive.one_more = naive.xla = False  # the planted bug, compiled fast
    uniforms = np.random.default_rng(0).random((32, 5, 4, colors), dtype="float32")
    wrong = naive.draw(uniforms, 0 * uniforms, np.zeros((5, 4), bool), 1.0)
    assert (wrong != right).any()


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_passes_through_operations_and_float32_layers(policy):
    image = keras.Input((5, 4, 1))
    x = MaskedConv2D(4, 3, "A", dtype=policy)(image)
    y = PositionBias(dtype="float32")(ops.tanh(x) + x)
    x = MaskedConv2D(4, 3, dtype=policy)(layers.PReLU(dtype="float32")(y) + x)
    logits = layers.Conv2D(1, 1, dtype="float32")(x)
    model = ImageModel(image, logits, likelihood=Bernoulli())
    randomize(model)
    assert generation.generate(model, 4, seed=0).shape == (4, 5, 4, 1)


class InFloat32(layers.Layer):
    """A layer of a user that returns another type than its policy computes in."""

    runs_as = "pixelwise"

    def call(self, inputs):
        return ops.cast(ops.tanh(inputs), "float32")


def times_a_number_of_numpy(x):
    return x * np.float32(0.5)


@pytest.mark.parametrize(
    "to_float32",
    [
        times_a_number_of_numpy,
        lambda x: InFloat32(dtype="mixed_bfloat16")(x),
        lambda x: MaskedConv2D(
            4, 3, activation=lambda y: ops.cast(y, "float32"), dtype="mixed_bfloat16"
        )(x),
    ],
    ids=["an operation", "a layer", "an activation"],
)
def test_half_precision_may_become_float32_on_the_way(to_float32):
    image = keras.Input((5, 4, 1))
    x = to_float32(MaskedConv2D(4, 3, "A", dtype="mixed_bfloat16")(image))
    x = MaskedConv2D(4, 3, dtype="mixed_bfloat16")(x)
    logits = layers.Conv2D(1, 1, dtype="float32")(x)
    model = ImageModel(image, logits, likelihood=Bernoulli())
    randomize(model)
    methods = {
        method: generation.generate(model, 32, seed=0, method=method)
        for method in ("cached", "naive")
    }
    differ = (methods["cached"] != methods["naive"]).any(axis=(1, 2, 3))
    assert differ.sum() <= 3  # half precision rounds to a few thousandths


def test_slices_and_python_s_numbers_in_a_graph_have_no_type_of_their_own():
    image, label = keras.Input((3, 4, 1)), keras.Input((), dtype="int32")
    part = layers.Embedding(2, 4)(label)[:, None, None]
    x = MaskedConv2D(4, 3, "A")(image)
    compare_features([image, label], (x * 2.0 + 1) * np.float32(0.5) + part, 4, 2)


def test_one_layer_used_twice_keeps_two_pasts():
    image = keras.Input((5, 5, 1))
    shared = MaskedConv2D(4, 3, activation="tanh")
    x = shared(shared(MaskedConv2D(4, 3, "A")(image)))
    model = ImageModel(image, layers.Conv2D(1, 1)(x), likelihood=Bernoulli())
    randomize(model)
    compare(model)


def test_labels_reach_every_pixel():
    image, label = keras.Input((4, 4, 1)), keras.Input((), dtype="int32")
    x = MaskedConv2D(6, 3, "A")(image)
    x = layers.add([x, layers.Reshape((1, 1, 6))(layers.Embedding(3, 6)(label))])
    x = MaskedConv2D(6, 3)(layers.ReLU()(x))
    model = ImageModel([image, label], layers.Conv2D(1, 1)(x), likelihood=Bernoulli())
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.8, w.shape) for w in model.get_weights()])
    labels = np.arange(9) % 3
    drawn = compare(model, count=9, labels=labels)
    # the first pixel of the first image is asked with its own label
    one = generation.generate(model, 9, seed=0, labels=1, method="fixed_point")
    assert one.shape == drawn.shape
    for wrong, words in [
        (None, "labels"),
        ([0, 1], "shape"),
        (0.5, "integer"),
        (-1, "0"),
    ]:
        with pytest.raises(ValueError, match=words):
            generation.generate(model, 9, labels=wrong)
    with pytest.raises(ValueError, match="no labels"):
        generation.generate(small(), 2, labels=1)


@pytest.mark.parametrize(
    ("size", "change"),
    [
        (2, layers.UpSampling2D(2)),
        (8, layers.MaxPooling2D(2)),
        (6, layers.Cropping2D(1)),
    ],
)
def test_a_label_s_map_may_be_made_of_one_of_another_size(size, change):
    image, label = keras.Input((4, 4, 1)), keras.Input((), dtype="int32")
    part = layers.PReLU("normal")(layers.Embedding(3, size**2 * 3)(label))
    part = layers.PReLU("normal")(layers.Reshape((size, size, 3))(part))
    x = layers.add([MaskedConv2D(3, 3, "A")(image), change(part)])
    compare_features([image, label], x, count=5, classes=3)


def test_a_label_has_the_type_of_the_model_s_input():
    image, label = keras.Input((4, 4, 1)), keras.Input((), dtype="uint8")
    number = ops.reshape(label * 30, (-1, 1, 1, 1))  # 9 * 30 is 14 in uint8
    x = MaskedConv2D(6, 3, "A")(image) + 0.05 * number
    compare_features([image, label], x, count=10, classes=10)


def sums(*tensors):
    """The tensors' sum by a layer, by an operation, and by a layer that takes means."""
    by_operation = functools.reduce(operator.add, tensors)
    three = layers.add(tensors), by_operation, layers.average(tensors)
    return layers.Concatenate()(three)


def compare_features(inputs, x, count, classes=3, seeds=1):
    """Compare all loops on ``count`` images of a model with the features ``x``."""
    logits = MaskedConv2D(1, 1)(layers.ReLU()(x))
    classes = classes if isinstance(inputs, list) else None
    model = ImageModel(inputs, logits, likelihood=Bernoulli(), num_classes=classes)
    randomize(model, seed=1)
    labels = [np.arange(count) % classes] if classes else []
    labels = labels[0] if labels else None
    for seed in range(seeds):
        compare(model, seed, count=count, labels=labels, pages=True)


def test_one_channel_is_added_to_as_many_channels_as_there_are_images():
    image = keras.Input((3, 4, 1))
    one = MaskedConv2D(1, 5, "A")(image)
    compare_features(image, sums(MaskedConv2D(16, 3, "A")(image), one, one), count=16)


def test_one_channel_is_added_to_as_many_channels_as_a_row_has_pixels():
    image = keras.Input((8, 6, 1))
    parts = [StackConv2D(c, 3, "vertical", "A")(image) for c in (6, 1)]
    compare_features(image, sums(*parts), count=1, seeds=4)


def test_a_label_adds_one_number_to_a_row_of_as_many_pixels_as_images():
    image, label = keras.Input((3, 6, 1)), keras.Input((), dtype="int32")
    rows = [StackConv2D(c, 3, "vertical", "A")(image) for c in (1, 6)]
    number = layers.Reshape((1, 1, 1))(layers.Embedding(3, 1)(label))
    both = layers.Concatenate()([sums(row, number) for row in rows])
    compare_features([image, label], both, count=6)


def test_a_part_of_the_label_is_added_to_as_many_numbers_as_there_are_images():
    image, label = keras.Input((3, 4, 1)), keras.Input((), dtype="int32")
    x = MaskedConv2D(6, 3, "A")(image)
    for shape in ((1,), (1, 1)):
        number = layers.Reshape(shape)(layers.Embedding(3, 1)(label))
        of_label = layers.add([layers.Embedding(3, 6)(label), number])
        x = x + layers.Reshape((1, 1, 6))(of_label)
    compare_features([image, label], x, count=6)


def test_new_weights_are_used_at_once():
    model = two_layers((4, 4, 1))
    before = compare(model, count=4)
    randomize(model, seed=1)
    assert (compare(model, count=4) != before).any()
    np.testing.assert_array_equal(
        generation.generate(model, 4, seed=0),
        generation.generate(model, 4, seed=0, method="naive"),
    )
    assert len(_pixel_loop.pixel_loop(model, model.likelihood).compiled) == 1


def test_a_second_call_and_another_temperature_do_not_compile_again():
    model = two_layers((4, 4, 1))
    loop = _pixel_loop.pixel_loop(model, model.likelihood)
    for count, temperature in [(3, 1.0), (4, 1.0), (3, 0.7), (4, 1.3)]:
        generation.generate(model, count, seed=0, temperature=temperature)
    assert len(loop.compiled) == 1
    assert _pixel_loop.pixel_loop(model, model.likelihood) is loop


def test_slices_do_not_change_an_image():
    model = two_layers((4, 4, 1))
    many = generation.generate(model, 300, seed=3)
    np.testing.assert_array_equal(generation.generate(model, 7, seed=3), many[:7])
    naive = generation.generate(model, 300, seed=3, method="naive")
    np.testing.assert_array_equal(naive, many)


def test_a_model_that_is_gone_is_not_kept():
    model = two_layers((4, 4, 1))
    generation.generate(model, 2)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_a_loop_draws_though_its_model_is_gone():
    model = two_layers((4, 4, 1))
    uniforms = np.random.default_rng(0).random((2, 4, 4, 1), dtype="float32")
    arguments = uniforms, 0 * uniforms, np.zeros((4, 4), bool), 1.0
    expected = generation.naive(model, model.likelihood, *arguments)
    loop = _pixel_loop.PixelLoop(model, model.likelihood)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    np.testing.assert_array_equal(loop.draw(*arguments), expected)


class Mean(layers.Layer):
    """Not pointwise: subtracts the image's mean."""

    def call(self, inputs):
        return inputs - ops.mean(inputs, axis=(1, 2), keepdims=True)


class Cumulative(MaskedConv2D):
    """A subclass may do anything."""

    def call(self, inputs):
        return ops.cumsum(super().call(inputs), axis=2)


class Double(layers.Layer):
    """A layer of a user that treats each pixel by itself, and says so."""

    runs_as = "pixelwise"

    def call(self, inputs):
        return 2 * inputs


class AlongTheRow(Double):
    """A subclass that does something else than its class says."""

    def call(self, inputs):
        return ops.cumsum(inputs, axis=2)


class Relu(layers.Layer):
    """Bears the name of an operation of Keras, and is none."""

    def call(self, inputs):
        return ops.cumsum(inputs, axis=2)


class OwnCall(keras.Model):
    """A functional model whose ``call`` does something else than its graph."""

    def call(self, inputs):
        return ops.cumsum(super().call(inputs), axis=2)


def inner(kind=keras.Model):
    a = keras.Input((4, 4, 4))
    return kind(a, layers.Dense(4)(a))


def named_inner():
    a, b = keras.Input((4, 4, 4), name="b"), keras.Input((4, 4, 4), name="a")
    return keras.Model([a, b], layers.subtract([a, 2 * b]))


def along_the_row(x):
    return ops.cumsum(x, axis=2)


def over_the_batch(x):
    return x - ops.mean(x, axis=0, keepdims=True)


SLOPES = {"alpha_initializer": "ones"}


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (lambda x: Cumulative(4, 3)(x), "Cumulative"),
        (lambda x: AlongTheRow()(x), "AlongTheRow"),
        (lambda x: Relu()(x), "Relu"),
        (lambda x: inner(OwnCall)(x), "no call of its own"),
        (lambda x: named_inner()({"a": x, "b": 2 * x}), "as when it was built"),
        (lambda x: named_inner()(inputs=[x, x]), "as when it was built"),
        (lambda x: layers.Activation(along_the_row)(x), "activation does not"),
        (
            lambda x: layers.Dense(4, activation=over_the_batch)(x),
            "activation does not",
        ),
        (lambda x: MaskedConv2D(4, 3, activation=along_the_row)(x), "activation does"),
        (lambda x: layers.Dense(4, activation=layers.PReLU(**SLOPES))(x), "is a layer"),
        (lambda x: layers.Rescaling(np.arange(1.0, 5)[:, None])(x), "Rescaling"),
        (lambda x: layers.BatchNormalization()(x, training=True), "training=True"),
        (lambda x: layers.Conv2D(4, 3, padding="same")(x), "no masked convolution"),
        (lambda x: Mean(name="mine")(x), "'mine' .Mean.; it is not known"),
        (lambda x: layers.Lambda(lambda y: y)(x), "Lambda"),
        (lambda x: layers.BatchNormalization(axis=1)(x), "BatchNormalization"),
        (lambda x: layers.Concatenate(axis=1)([x, x])[:, 4:], "Concatenate"),
        (lambda x: x + np.ones((4, 4, 1), "float32"), "Add"),
        (lambda x: layers.Conv2D(4, 1, groups=2)(x), "Conv2D"),
        (lambda x: ops.flip(x, axis=1), "Flip"),
    ],
)
def test_a_layer_that_cannot_run_one_pixel_at_a_time_is_named(layer, words):
    image = keras.Input((4, 4, 1))
    x = layer(MaskedConv2D(4, 3, "A")(image))
    model = keras.Model(image, MaskedConv2D(1, 1)(x))
    with pytest.raises(ValueError, match=words) as error:
        generation.generate(model, 1, likelihood=Bernoulli())
    assert "fixed_point" in str(error.value)


def test_an_activation_that_is_set_to_none_is_left_out():
    model = two_layers((4, 4, 1))
    model.layers[1].activation = None
    drawn = compare(model)
    uniforms = np.random.default_rng(0).random((5, 4, 4, 1), dtype="float32")
    arguments = uniforms, np.zeros_like(uniforms), np.zeros((4, 4), bool), 1.0
    pages = page_cache.draw(model, model.likelihood, *arguments)
    np.testing.assert_array_equal(pages, drawn)


def test_a_layer_of_a_user_runs_one_pixel_at_a_time_if_its_class_says_so():
    image = keras.Input((4, 4, 1))
    x = Double()(MaskedConv2D(4, 3, "A")(image))
    model = ImageModel(image, MaskedConv2D(1, 1)(x), likelihood=Bernoulli())
    randomize(model)
    compare(model)


@pytest.mark.parametrize("name", ["OwnCall.call", "ImageModel.call"])
def test_a_model_with_a_call_of_its_own_is_refused(name, monkeypatch):
    monkeypatch.setattr(OwnCall.call, "__qualname__", name)  # whatever its name
    image = keras.Input((4, 4, 1))
    model = OwnCall(image, MaskedConv2D(1, 3, "A")(image))
    with pytest.raises(ValueError, match="functional"):
        generation.generate(model, 1, likelihood=Bernoulli())


def test_a_label_that_is_no_map_and_two_outputs_are_refused():
    image, label = keras.Input((4, 4, 1)), keras.Input((), dtype="int32")
    x = MaskedConv2D(4, 3, "A")(image)
    embedded = layers.Embedding(3, 4)(label)
    logits = layers.Conv2D(1, 1)(layers.add([x, embedded]))
    model = ImageModel([image, label], logits, likelihood=Bernoulli())
    with pytest.raises(ValueError, match="the label's part"):
        generation.generate(model, 1, labels=0)
    both = keras.Model(image, [x, layers.Conv2D(1, 1)(x)])
    with pytest.raises(ValueError, match="one tensor"):
        _pixel_loop.pixel_loop(both, Bernoulli())


def test_activations_that_work_on_each_pixel_are_accepted():
    image = keras.Input((4, 4, 1))
    x = MaskedConv2D(4, 3, "A", activation=lambda x: x * ops.sigmoid(x))(image)
    x = layers.Dense(4, activation=layers.LeakyReLU())(
        layers.Rescaling([1, 2, 3, 4])(x)
    )
    model = ImageModel(image, layers.Conv2D(1, 1)(x), likelihood=Bernoulli())
    randomize(model)
    compare(model)


def test_a_model_that_is_not_functional_is_refused():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = MaskedConv2D(1, 3, "A")

        def call(self, inputs):
            return self.inner(inputs)

    model = Own()
    model(np.zeros((1, 3, 3, 1), "float32"))
    with pytest.raises(ValueError, match="known inputs"):
        _pixel_loop.pixel_loop(model, Bernoulli())


def test_a_sequential_model_is_functional_enough():
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), MaskedConv2D(4, 3, "A"), layers.Conv2D(1, 1)]
    )
    drawn = generation.generate(model, 3, seed=0, likelihood=Bernoulli())
    naive = generation.generate(
        model, 3, seed=0, likelihood=Bernoulli(), method="naive"
    )
    np.testing.assert_array_equal(drawn, naive)


def planted(monkeypatch, bug):
    module = _kernel_parts if bug == "kernel_of" else one_pixel
    original = getattr(module, bug)
    if bug == "sum_current_row":  # the window is read one pixel too far left

        def wrong(tensor, parts, windows, here):
            moved = {t: ops.roll(w, t.channels, axis=-1) for t, w in windows.items()}
            return original(tensor, parts, moved, here)
    elif bug == "sum_above":  # the rows above are shifted by a column

        def wrong(tensor, parts, rows, width):
            moved = None if rows is None else ops.roll(rows, 1, axis=1)
            return original(tensor, parts, moved, width)
    elif bug == "kernel_of":  # a dilated kernel is run as if its taps were neighbors

        def wrong(layer):
            kernel, origin, _ = original(layer)
            return kernel, origin, 1
    else:  # one row above is lost: the past is kept a row too long

        def wrong(tensor, strips):
            return ops.zeros_like(original(tensor, strips))

    monkeypatch.setattr(module, bug, wrong)


@functools.cache
def dilated():
    """A model of both stacks, with a kernel whose taps are two pixels apart."""
    image = keras.Input((6, 6, 1))
    v = StackConv2D(4, 3, "vertical", "A", activation="tanh")(image)
    v = StackConv2D(4, 3, "vertical", dilation_rate=2)(v)
    h = layers.add([StackConv2D(4, 5, "horizontal", "A")(image), v])
    model = ImageModel(image, layers.Conv2D(1, 1)(h), likelihood=Bernoulli())
    randomize(model)
    compare(model, count=32)
    return model


@pytest.mark.usefixtures("without_xla")
@pytest.mark.parametrize(
    "bug", ["sum_current_row", "sum_above", "_padded", "kernel_of"]
)
def test_the_comparison_catches_a_cache_off_by_a_row_or_a_column(monkeypatch, bug):
    model = dilated()
    planted(monkeypatch, bug)
    other = ImageModel.from_config(model.get_config())  # compiled anew, with the bug
    other.set_weights(model.get_weights())
    with pytest.raises(AssertionError, match="apart"):
        compare(other, count=32)
