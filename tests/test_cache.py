"""The cache: the images of the whole network, for every model that it can run."""

import functools
import gc
import math
import weakref

from pixelcnn_edu import _compiled, compression, generation
from pixelcnn_edu.cache import compiled_loop, graph, loop, pages
from pixelcnn_edu.gated import StackConv2D
from pixelcnn_edu.layers import MaskedConv2D, PositionBias
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.models import ImageModel, gated_pixelcnn, logits_function, pixelcnn

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops
from test_evaluation import randomize
from test_generation import two_layers

METHODS = {
    "naive": generation.naive,
    "fixed_point": generation.fixed_point,
    "cached": generation.cached,
    "pages": pages.draw,
}


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
        assert distance.min() < 1e-4, (
            f"image {i}, value {at}: {distance.min():.1e} apart"
        )


def compare(model, seed=0, count=5, temperature=1.0, methods=METHODS):
    """Draw the same images by each method, with some known pixels, and compare."""
    shape, rng = model.inputs[0].shape[1:], np.random.default_rng(seed)
    uniforms = rng.random((count, *shape), dtype="float32")
    levels = model.likelihood.levels
    given = (rng.integers(0, levels, uniforms.shape) / (levels - 1)).astype("float32")
    known = rng.random(shape[:2]) < 0.2
    classes = model.num_classes
    labels = [np.arange(count, dtype="int32") % classes] if classes else []
    arguments = uniforms, given, known, temperature, *labels
    drawn = {
        name: METHODS[name](model, model.likelihood, *arguments) for name in methods
    }
    first = drawn["naive"]
    np.testing.assert_array_equal(first[:, known], given[:, known])
    for images in drawn.values():
        assert images.shape == uniforms.shape and images.dtype == np.float32
        if temperature == 1:
            assert_same_images(model, first, images, uniforms, labels)
        else:
            np.testing.assert_array_equal(first, images)
    return first


BUILT = {
    "plain": lambda: pixelcnn((4, 3, 1), filters=4, depth=1, position=True),
    "three colors": lambda: pixelcnn(
        (3, 4, 3), filters=6, depth=1, likelihood=Categorical(3), one_hot=True
    ),
    "colors at once": lambda: pixelcnn(
        (3, 4, 3), filters=6, depth=1, likelihood=Categorical(3), colors=1
    ),
    "mixture": lambda: pixelcnn(
        (2, 2, 3), filters=4, depth=1, likelihood=DiscretizedLogisticMixture(2, 4)
    ),
    "gated, dilated": lambda: gated_pixelcnn(
        (5, 4, 1), filters=3, depth=2, dilations=(1, 2), skip=True, dropout=0.5
    ),
    "gated, labels": lambda: gated_pixelcnn(
        (4, 3, 1), filters=2, depth=1, num_classes=3
    ),
    "gated, maps, colors": lambda: gated_pixelcnn(
        (3, 4, 3), filters=3, depth=1, num_classes=3, label_map=2, position=True
    ),
}


@pytest.mark.parametrize("name", BUILT)
def test_all_methods_draw_the_same_images_from_every_builder(name):
    model = BUILT[name]()
    randomize(model)
    compare(model)


def test_with_xla_too():
    model = BUILT["gated, labels"]()
    randomize(model)
    loop_of_model = compiled_loop.PixelLoop(model, model.likelihood)
    loop_of_model.uses_xla = lambda: True
    u = np.random.default_rng(0).random((4, 4, 3, 1), dtype="float32")
    arguments = u, 0 * u, np.zeros((4, 3), bool), 1.0, np.int32([0, 1, 2, 0])
    naive = generation.naive(model, model.likelihood, *arguments)
    assert_same_images(model, naive, loop_of_model.draw(*arguments), u, [arguments[-1]])


@pytest.mark.parametrize("temperature", [0, 0.5, 1.7])
def test_all_methods_draw_the_same_images_at_any_temperature(temperature):
    for likelihood in (Bernoulli(), Categorical(4)):
        compare(two_layers((4, 5, 1), likelihood), temperature=temperature)


KERNELS = st.sampled_from([1, 3, 5, 7, (1, 3), (3, 1), (5, 3), (1, 7)])


def student_model(draw):
    """A random functional graph of the layers in the table."""
    shape = tuple(draw(st.tuples(*[st.integers(1, 7)] * 2, st.sampled_from([1, 2]))))
    image = keras.Input(shape)
    tensors = [MaskedConv2D(4, draw(KERNELS), "A")(image)]
    shared = MaskedConv2D(4, 3, activation="tanh")
    alone = {
        "relu": lambda x: layers.ReLU()(x),
        "slopes": lambda x: layers.PReLU(alpha_initializer="normal")(x),
        "position": lambda x: PositionBias()(x),
        "dropout": lambda x: layers.Dropout(0.5)(x),
        "masked": lambda x: MaskedConv2D(4, draw(KERNELS), activation="elu")(x),
        "hidden": lambda x: MaskedConv2D(4, draw(KERNELS), "A")(x),
        "one": lambda x: layers.Conv2D(4, 1, use_bias=False)(x),
        "used again": shared,
    }
    together = {
        "add": lambda x, y: layers.add([x, y]),
        "multiply": lambda x, y: layers.multiply([x, layers.Activation("sigmoid")(y)]),
        "concatenate": lambda x, y: layers.Conv2D(4, 1)(layers.Concatenate()([x, y])),
    }
    for _ in range(draw(st.integers(1, 6))):
        if draw(st.booleans()):
            chosen = draw(st.sampled_from(sorted(together)))
            pair = [draw(st.sampled_from(range(len(tensors)))) for _ in range(2)]
            tensors.append(together[chosen](*[tensors[i] for i in pair]))
        else:
            chosen = draw(st.sampled_from(sorted(alone)))
            tensors.append(alone[chosen](tensors[-1]))
    logits = layers.Conv2D(shape[-1], 1)(tensors[-1])
    model = ImageModel(image, logits, likelihood=Bernoulli())
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    model.set_weights([rng.normal(0.3, 0.6, w.shape) ** 2 for w in model.get_weights()])
    return model


@settings(max_examples=9)
@given(data=st.data())
def test_all_methods_draw_the_same_images_from_a_student_s_model(data):
    compare(student_model(data.draw), count=3)


def test_a_feature_that_sees_its_own_pixel_is_computed_anew_when_it_is_drawn():
    # B first and A later is causal too; the first features then know their own pixel
    image = keras.Input((5, 5, 1))
    x = MaskedConv2D(4, 3, "B", activation="tanh")(image)
    model = ImageModel(image, MaskedConv2D(1, 3, "A")(x), likelihood=Bernoulli())
    randomize(model)
    compare(model, count=32)


def test_half_precision_draws_images_of_its_own_kind():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = BUILT["gated, labels"]()
    finally:
        keras.config.set_dtype_policy(before)
    randomize(model)
    images = generation.generate(model, 64, seed=0, labels=1)
    naive = generation.generate(model, 64, seed=0, labels=1, method="naive")
    assert (images != naive).mean() < 0.05


# ------------------------------------------------------------------ the graph


def test_the_graph_says_when_each_tensor_is_known_and_how_much_of_it_is_kept():
    model = gated_pixelcnn((5, 4, 1), filters=3, depth=1, num_classes=2)
    read = graph.read(model)
    assert [t.when for t in read.inputs] == [graph.PER_PIXEL, graph.PER_IMAGE]
    by_name = {t.layer.name: t for t in read.made}
    vertical = [t for t in read.made if getattr(t.layer, "stack", None) == "vertical"]
    assert all(t.when == graph.PER_ROW for t in vertical)
    image = read.inputs[0]  # 7×7, type A
    assert (image.kept_rows, image.kept_sides, image.kept_left) == (3, 3, 3)
    assert by_name["logits"] is read.output and read.output.last_own_channel == -1
    assert loop.runs_of_a_pixel(read) == ([[0]], False)
    in_order = graph.read(BUILT["three colors"]())
    assert loop.runs_of_a_pixel(in_order) == ([[0], [1], [2]], True)


def own_layer(kind):
    class Own(kind):
        pass

    return Own


def with_layer(layer):
    image = keras.Input((4, 3, 1))
    x = layer(MaskedConv2D(4, 3, "A")(image))
    model = ImageModel(image, MaskedConv2D(1, 1)(x), likelihood=Bernoulli())
    randomize(model)
    return model


UNKNOWN = {
    "a layer of Keras": layers.LayerNormalization(name="odd"),
    "a subclass": own_layer(layers.ReLU)(name="odd"),
    "an operation": lambda x: ops.multiply(x, 2),
    "a channel of another axis": lambda x: layers.Concatenate(2, name="odd")([x, x])[
        :, :, :3
    ],
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_model_with_another_layer_is_drawn_by_the_fixed_point_and_one_line_says_so(
    name, capsys
):
    model = with_layer(UNKNOWN[name])
    images = generation.generate(model, 3, seed=0)
    told = capsys.readouterr().out
    assert told.count("\n") == 1 and told.startswith("Drawn by the fixed point.")
    assert "odd" in told or "operation" in told
    naive = generation.generate(model, 3, seed=0, method="naive")
    np.testing.assert_array_equal(images, naive)
    for draw in (generation.cached, pages.draw):
        u = np.zeros((1, 4, 3, 1), "float32")
        with pytest.raises(graph.UnknownLayer, match="odd|operation"):
            draw(model, model.likelihood, u, u, np.zeros((4, 3), bool), 1.0)


def test_a_convolution_that_reads_ahead_is_named():
    image = keras.Input((3, 3, 1))
    whole = layers.Conv2D(1, 3, padding="same", name="whole")
    below = StackConv2D(1, 3, "vertical", name="ahead")
    for layer, model in [
        (whole, keras.Model(image, whole(image))),
        (below, keras.Model(image, below(MaskedConv2D(1, 3, "A")(image)))),
    ]:
        with pytest.raises(graph.UnknownLayer, match=layer.name):
            graph.read(model)


def test_a_model_that_is_not_functional_has_no_graph():
    class Own(keras.Model):
        pass

    with pytest.raises(graph.UnknownLayer, match="functional"):
        graph.read(Own())


# ------------------------------------------------------------------ what is compiled


def test_new_weights_are_used_at_once_and_no_call_compiles_twice():
    model = two_layers((4, 4, 1))
    draws = [generation.generate(model, n, seed=0) for n in (4, 4, 3, 4)]
    np.testing.assert_array_equal(draws[1], draws[3])
    randomize(model, seed=1)
    after = generation.generate(model, 4, seed=0, temperature=0.9)
    assert (after != draws[1]).any()
    naive = generation.generate(model, 4, seed=0, temperature=0.9, method="naive")
    np.testing.assert_array_equal(after, naive)
    kept = compiled_loop.pixel_loop(model, Bernoulli())
    assert kept is compiled_loop.pixel_loop(model, Bernoulli())
    assert len(kept._compiled) == 1  # 3 images take the loop of 4


def test_a_changed_layer_is_seen_after_compile():
    model = two_layers((4, 4, 1))
    for _ in range(2):
        before = generation.generate(model, 4, seed=0)
    hidden = next(layer for layer in model.layers if hasattr(layer, "mask"))
    hidden.activation = keras.activations.elu
    np.testing.assert_array_equal(generation.generate(model, 4, seed=0), before)
    model.compile()
    for _ in range(2):
        after = generation.generate(model, 4, seed=0)
    assert (after != before).any()
    naive = generation.generate(model, 4, seed=0, method="naive")
    np.testing.assert_array_equal(after, naive)


@pytest.mark.parametrize("use", ["generate", "compress"])
def test_a_model_that_is_gone_is_not_kept(use):
    model = two_layers((4, 4, 1))
    images = [generation.generate(model, 2) for _ in range(2)][1]
    if use == "compress":
        compression.compress(model, images)
    gone, layer = weakref.ref(model), weakref.ref(model.layers[-1])
    del model
    for _ in range(3):  # TensorFlow's destructors let go of more
        gc.collect()
    assert gone() is None and layer() is None


def test_the_first_small_call_for_a_size_is_answered_by_the_fixed_point(monkeypatch):
    model, rounds = two_layers((4, 4, 1)), []
    draw = generation.fixed_point

    def counted(*arguments):
        rounds.append(len(arguments[2]))
        return draw(*arguments)

    monkeypatch.setattr(generation, "fixed_point", counted)
    monkeypatch.setattr(generation, "cores", lambda: 1)
    first, second = (generation.generate(model, 5, seed=0) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    generation.generate(model, 6, seed=0)  # the loop for a slice of 8 draws it
    generation.generate(model, 9, seed=0)
    assert rounds == [5, 9]
    monkeypatch.setattr(generation, "SOONER_BY_ROUNDS", 7 * 16 * 2)
    generation.generate(model, 40, seed=0)  # more values than that
    assert rounds == [5, 9]
    assert math.prod((16, 28, 28, 1)) * 2 == 16 * 28 * 28 * 2


def test_logits_are_those_of_the_model_and_a_nan_is_refused():
    model = two_layers((4, 4, 1))
    images = np.random.default_rng(0).random((3, 4, 4, 1), dtype="float32")
    logits = _compiled.logits_function(model)
    np.testing.assert_allclose(logits(images), np.asarray(model(images)), atol=1e-6)
    *weights, bias = model.get_weights()
    model.set_weights([*weights, bias * np.nan])
    for method in generation.METHODS:
        with pytest.raises(ValueError, match="finite"):
            generation.generate(model, 2, method=method)


# ------------------------------------------------------------------ planted bugs


def shifted(layer, taps=pages._taps):
    return [(down, right - 1, weights) for down, right, weights in taps(layer)]


def without_the_left(layer, taps=pages._taps):
    return [tap for tap in taps(layer) if tap[:2] != (0, -1)]


@pytest.mark.parametrize("bug", [shifted, without_the_left])
@pytest.mark.parametrize("name", ["plain", "gated, dilated"])
def test_the_comparison_catches_a_page_that_is_read_at_a_wrong_place(
    monkeypatch, bug, name
):
    model = BUILT[name]()
    randomize(model)
    monkeypatch.setattr(pages, "_taps", bug)
    with pytest.raises(AssertionError, match="apart"):
        compare(model, count=32, methods=["naive", "pages"])


def planted(monkeypatch, bug):
    original = getattr(loop, bug)
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

    monkeypatch.setattr(loop, bug, wrong)


@functools.cache
def dilated():
    """A model of both stacks, with a kernel whose taps are two pixels apart."""
    image = keras.Input((6, 6, 1))
    v = StackConv2D(4, 3, "vertical", "A", activation="tanh")(image)
    v = StackConv2D(4, 3, "vertical", dilation_rate=2)(v)
    h = layers.add([StackConv2D(4, 5, "horizontal", "A")(image), v])
    model = ImageModel(image, layers.Conv2D(1, 1)(h), likelihood=Bernoulli())
    randomize(model)
    return model


@pytest.mark.parametrize(
    "bug", [None, "sum_current_row", "sum_above", "padded", "kernel_of"]
)
def test_the_comparison_catches_a_cache_off_by_a_row_or_a_column(monkeypatch, bug):
    model = dilated()
    _compiled.forget(model)
    if bug is None:
        compare(model, count=32, methods=["naive", "cached"])
        return
    planted(monkeypatch, bug)
    with pytest.raises(AssertionError, match="apart"):
        compare(model, count=32, methods=["naive", "cached"])
    _compiled.forget(model)
