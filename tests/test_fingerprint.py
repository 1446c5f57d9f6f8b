"""The fingerprint of a network: it tells networks apart, and changes nothing."""

import concurrent.futures
import contextlib
import functools
import json
import random
import threading

from pixelcnn_edu import _fingerprint, presets, training
from pixelcnn_edu._fingerprint import differences, differences_of, example_inputs
from pixelcnn_edu._state import parts_of
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.models import ImageModel, gated_pixelcnn, pixelcnn

import keras
import numpy as np
import pytest
import tensorflow as tf

SLOPE = 0.3


def fingerprint(model):
    return _fingerprint.fingerprint(model, example_inputs(model))


class Scaled(keras.layers.Layer):
    """A layer that Keras cannot describe."""

    def __init__(self, by, function=keras.activations.linear, attribute=None):
        super().__init__()
        self.by, self.function = by, function

    def call(self, x):
        return self.function(x) * self.by


def around(*layers, **how):
    """A model of a masked convolution and of layers."""
    image = keras.Input((5, 5, 1))
    x = MaskedConv2D(16, 3, "A", **how)(image)
    for layer in layers:
        x = layer(x)
    logits = keras.layers.Conv2D(1, 1)(x)
    return ImageModel(image, logits, likelihood=Bernoulli())


def scaled(factor):
    def activation(x):
        return factor * keras.ops.tanh(x)

    return activation


def scaled_by_table(x):
    return {"slope": [SLOPE]}["slope"][0] * x


class Rule(keras.regularizers.Regularizer, keras.constraints.Constraint):
    """A regularizer, or a constraint, that Keras cannot describe."""

    def __init__(self, factor, of=keras.ops.sum):
        self.factor, self.of = factor, of

    def __call__(self, x):
        return self.of(x**2) * self.factor


class Adding(keras.layers.Layer):
    """A layer that adds to the loss."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, x):
        self.add_loss(self.factor * keras.ops.mean(x**2))
        return x


class Rooted(keras.layers.Layer):
    """A layer that needs positive weights, which it has at first."""

    def build(self, shape):
        self.scale = self.add_weight((shape[-1],), initializer="ones")

    def call(self, x):
        return x * keras.ops.sqrt(self.scale)


class Strict(Rooted):
    """A layer that refuses other weights than positive ones."""

    def build(self, shape):
        self.scale = self.add_weight((1, 1, 1, shape[-1]), initializer="ones")

    def call(self, x):
        tf.debugging.assert_non_negative(self.scale)
        return super().call(x)


class Depth(keras.layers.Layer):
    """Stochastic depth: the layer leaves out its features at a rate."""

    def __init__(self, rate):
        super().__init__()
        self.rate, self.generator = rate, keras.random.SeedGenerator(1)

    def call(self, x, training=False):
        drawn = keras.random.uniform((), seed=self.generator)
        return x + x**2 * keras.ops.cast(drawn > self.rate, x.dtype) if training else x


class OwnLoss(ImageModel):
    """A model whose loss has a setting. It counts its calls."""

    factor, count = 1.0, 0

    def compute_loss(self, x, y, y_pred, sample_weight, training=True):
        images, label = x
        self.count += 1
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        return loss * (self.factor + keras.ops.sum(keras.ops.cast(label, loss.dtype)))


class Failing(OwnLoss):
    def compute_loss(self, *arguments, **more):
        raise ValueError("Expected other images")


def with_loss(factor, kind=OwnLoss, dropout=0.0):
    model = gated_pixelcnn(
        (5, 5, 1), filters=8, depth=1, num_classes=2, dropout=dropout
    )
    model = kind(model.inputs, model.outputs, likelihood=Bernoulli(), num_classes=2)
    model.factor = factor
    training.compile_model(model, steps=1)
    return model


def frozen(flag):
    model = around()
    model.layers[-1].kernel.trainable = bool(flag)
    return model


def sliced(start):
    image = keras.Input((5, 5, 2))
    return keras.Model(image, keras.ops.add(image[..., start : start + 1], 1.0))


def half(factor):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = around(Scaled(factor))
    keras.config.set_dtype_policy(policy)
    return model


MODELS = {  # name: (a model for a number, and the part in which two of them differ)
    "a function": (lambda n: around(keras.layers.Activation(scaled(n))), "outputs"),
    "a partial": (
        lambda n: around(Scaled(1, functools.partial(keras.ops.multiply, n))),
        "outputs",
    ),
    "a tf.function": (lambda n: around(Scaled(1, tf.function(scaled(n)))), "outputs"),
    "a number": (lambda n: around(Scaled(n)), "outputs"),
    "an array": (lambda n: around(Scaled(np.full(16, n, "float32"))), "outputs"),
    "a setting": (lambda n: around(keras.layers.LeakyReLU(n / 10)), "outputs"),
    "a limit": (lambda n: around(keras.layers.ReLU(max_value=6 * n)), "outputs"),
    "a slice": (lambda n: sliced(int(n)), "outputs"),
    "a dilation": (
        lambda n: gated_pixelcnn(
            (5, 5, 1), filters=4, depth=2, dilations=(int(n), 3 - int(n))
        ),
        "outputs",
    ),
    "connections": (
        lambda n: gated_pixelcnn((5, 5, 1), filters=4, depth=2, skip=n > 1),
        "shapes",
    ),
    "a likelihood": (
        lambda n: gated_pixelcnn(
            (5, 5, 1),
            filters=4,
            depth=1,
            likelihood=[Bernoulli(), Categorical(2)][int(n) - 1],
        ),
        "shapes",
    ),
    "a label": (
        lambda n: gated_pixelcnn((5, 5, 1), filters=4, depth=1, num_classes=3 * int(n)),
        "shapes",
    ),
    "a positive weight": (lambda n: around(Rooted(), Scaled(n)), "outputs"),
    "half precision": (half, "outputs"),
    "dropout": (lambda n: around(keras.layers.Dropout(n / 4)), "training"),
    "a layer in training": (
        lambda n: around(keras.layers.GaussianNoise(n / 4)),
        "training",
    ),
    "a momentum": (
        lambda n: around(keras.layers.BatchNormalization(momentum=n / 4)),
        "training",
    ),
    "noise in four layers": (
        lambda n: around(*[Depth(n / 4) for _ in range(4)]),
        "training",
    ),
    "a regularizer": (lambda n: around(kernel_regularizer=Rule(n)), "penalties"),
    "a constraint": (lambda n: around(kernel_constraint=Rule(n, abs)), "all"),
    "a wide constraint": (
        lambda n: around(kernel_constraint=keras.constraints.MaxNorm(3 * n)),
        "penalties",
    ),
    "an activity regularizer": (
        lambda n: around(keras.layers.Identity(activity_regularizer=Rule(n))),
        "penalties",
    ),
    "a loss": (with_loss, "penalties"),
    "dropout beside a loss that fails": (
        lambda n: with_loss(1.0, Failing, dropout=n / 4),
        "training",
    ),
    "an added loss": (lambda n: around(Adding(n)), "penalties"),
    "a frozen weight": (lambda n: frozen(n - 1), "trained"),
    "a layer more": (
        lambda n: around(*[keras.layers.Dense(4) for _ in range(int(n))]),
        "shapes",
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_two_networks_are_told_apart_by_what_they_compute(name):
    make, part = MODELS[name]
    one, again, other = (fingerprint(make(number)) for number in (1.0, 1.0, 2.0))
    # the layers have other names and weights; NaN is not NaN
    assert json.dumps(one) == json.dumps(again)
    found = set(differences(one, other)) - {"trained" if part == "shapes" else ""}
    if part == "all":
        assert found == {"prediction", "training", "penalties"}
    elif part == "outputs":
        assert found - {"penalties"} == {"prediction", "training"}
    else:
        assert found - ({"penalties"} if part == "training" else set()) == {part}


def test_what_a_function_reads_from_elsewhere_counts(monkeypatch):
    model = around(keras.layers.Activation(scaled_by_table))
    before = fingerprint(model)
    monkeypatch.setitem(globals(), "SLOPE", 0.31)
    assert differences(before, fingerprint(model)) == ["prediction", "training"]


def test_a_mask_that_was_changed_counts():
    model = around()
    before = fingerprint(model)
    next(one for one in model.layers if hasattr(one, "mask")).mask[:] = 0
    assert differences(before, fingerprint(model)) == ["prediction", "training"]


def test_the_same_computation_in_other_code_is_the_same_network():
    inner = keras.Sequential([keras.Input((5, 5, 16)), keras.layers.Activation("tanh")])
    networks = [
        around(keras.layers.Activation("tanh", name="mine")),
        around(inner),
        around(Scaled(1.0, lambda x: 1.0 - 2.0 / (keras.ops.exp(2 * x) + 1))),
    ]
    one, *others = map(fingerprint, networks)
    for other in others:
        assert differences(one, other) == []


@pytest.mark.parametrize(
    "name", ["minutes", "conditional", "colored", "levels_256_mixture"]
)
def test_training_and_building_again_change_no_fingerprint(name):
    preset = presets.PRESETS[name]
    keras.utils.set_random_seed(1)
    model = preset.model()
    before = fingerprint(model)
    keras.utils.set_random_seed(2)
    assert fingerprint(preset.model()) == before
    for variable in model.variables:  # the states of generators too
        variable.assign(variable + keras.ops.ones_like(variable))
    assert fingerprint(model) == before
    assert not any(map(_fingerprint._has_own_code, parts_of(model).values()))
    assert np.isfinite(np.concatenate(before["prediction"] + before["training"])).all()


def inside(found):
    return {name: one for name, one in found.items() if "layers" in name}


def with_branches(*functions):
    image = keras.Input((5, 5, 1))
    branches = [Scaled(1.0, function)(image) for function in functions]
    return keras.Model(image, keras.ops.add(*branches))


def test_a_layer_more_that_returns_its_input_is_no_difference():
    image = keras.Input((5, 5, 1))
    one, other = (
        fingerprint(keras.Model(image, keras.ops.cos(x)))
        for x in (image, keras.layers.Dropout(0)(image))
    )
    assert differences(one, other) == []


class Lazy(keras.layers.Layer):
    """A layer that computes a table in its first call only, with a layer inside."""

    def __init__(self):
        super().__init__()
        self.table, self.inner = None, keras.layers.Rescaling(3.0)

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        if self.table is None and tf.executing_eagerly():
            self.table = self.inner(np.ones(1, "float32"))
        return x * (3.0 if self.table is None else self.table)


def test_a_layer_may_have_computed_a_part_before():
    models = around(Lazy()), around(Lazy())
    models[1](np.zeros((1, 5, 5, 1)))
    one, other = map(fingerprint, models)
    assert differences(one, other) == []


def test_layers_may_have_another_order():
    one, other = (
        fingerprint(with_branches(*functions))
        for functions in [
            (keras.ops.sin, keras.ops.cos),
            (keras.ops.cos, keras.ops.sin),
        ]
    )
    assert inside(one) != inside(other)
    assert differences(one, other) == []


@pytest.mark.parametrize("then", [1e-7, np.inf])
def test_a_change_counts_before_layers_that_hide_it(then):
    """Before, only the outputs of the network were compared."""
    one, other = (
        fingerprint(around(keras.layers.Activation(name), Scaled(then)))
        for name in ("relu", "gelu")
    )
    assert differences(one, other) == ["prediction", "training"]


def masked_out(factor, logit):
    """Logits of four levels, of which two are forbidden."""
    image = keras.Input((5, 5, 1))
    allowed = factor * keras.layers.Conv2D(4, 1)(image)
    logits = allowed + np.float32([0, 0, logit, logit])
    return ImageModel(image, logits, likelihood=Categorical(4))


class Shrinking(keras.layers.Layer):
    """Convolutions in one layer, each with a small kernel and a bias."""

    def __init__(self, name, first, by=1e-5):
        super().__init__(name=name)
        self.first, self.by = first, by

    def build(self, shape):
        for i in range(2):
            self.add_weight((1, 1, shape[-1], shape[-1]), name=f"kernel_{i}")
            self.add_weight((shape[-1],), name=f"bias_{i}")

    def call(self, x):
        for i in range(2):
            x = self.first(x) if i == 0 else keras.ops.relu(x)
            x = (
                keras.ops.conv(x, self.by * self.weights[2 * i])
                + self.weights[2 * i + 1]
            )
        return x


def test_a_change_inside_one_layer_counts_before_biases_that_hide_it():
    one, other = (
        fingerprint(around(Shrinking("mine", first)))
        for first in (keras.ops.relu, keras.ops.gelu)
    )
    assert differences(one, other) == ["prediction", "training"]


def test_infinite_values_are_summed_without_a_warning():
    values = np.float32([np.inf, -np.inf, np.nan, 1.0])
    assert np.isfinite(_fingerprint._sums(values)).all()


@pytest.mark.parametrize("logit", [-1e9, -np.inf])
def test_a_forbidden_level_hides_no_others(logit):
    one, other = (fingerprint(masked_out(factor, logit)) for factor in (1.0, 1.2))
    assert differences(one, other) == ["prediction", "training"]
    assert differences({**one, **inside(other)}, other) == []


def test_what_another_thread_computes_is_not_heard():
    relu = (
        keras.layers.ReLU()
    )  # a layer of the graph, which the other thread calls, too

    def beside(x):
        if tf.executing_eagerly():
            with concurrent.futures.ThreadPoolExecutor() as threads:
                threads.submit(relu, x + 1).result()
        return x

    call = keras.Operation.__call__
    one, other = (
        fingerprint(around(relu, Scaled(1.0, function)))
        for function in (beside, lambda x: x)
    )
    counts = [len(found["layers in training"]) for found in (one, other)]
    assert counts[0] == counts[1] > 0
    assert keras.Operation.__call__ is call


def test_a_network_that_takes_texts_is_not_called():
    text = keras.Input((1,), dtype="string")
    numbers = keras.layers.Hashing(3, output_mode="one_hot")(text)
    model = keras.Model(text, keras.layers.Dense(1)(numbers))
    assert example_inputs(model) == []
    assert _fingerprint.fingerprint(model, [])["prediction"] == []


def test_inputs_may_leave_sizes_open():
    image = keras.Input((None, None, 1))
    model = keras.Model(image, MaskedConv2D(1, 3, "A")(image))
    assert fingerprint(model) == fingerprint(model)


class Noting(keras.layers.Layer):
    """A layer that stores what it computes, and counts."""

    count = 0

    def build(self, shape):
        self.scale = self.add_weight((1,), initializer="ones")

    def call(self, x):
        self.last, self.count = x * self.scale, self.count + 1
        return self.last


class Compiled(Noting):
    def call(self, x, training=False):
        return self.compiled(x, training)

    @tf.function
    def compiled(self, x, training):
        return x * self.scale


def state_of(model):
    attributes = [
        (layer.name, name, id(one))
        for layer in model.layers
        for name, one in vars(layer).items()
    ]
    return attributes, [np.array(one).tobytes() for one in model.variables]


def test_a_fingerprint_changes_nothing(monkeypatch):
    keras.utils.set_random_seed(0)
    model = around(Noting(), keras.layers.Dropout(0.5))
    model(np.zeros((1, 5, 5, 1)), training=True)
    training.compile_model(model, steps=1)
    before, drawn = state_of(model), []
    for call in (lambda: None, lambda: fingerprint(model)):
        keras.utils.set_random_seed(3)
        call()
        assert state_of(model) == before
        own = random.random(), keras.random.normal(()), tf.random.normal(())
        drawn.append([float(one) for one in own])
    assert drawn[0] == drawn[1]
    monkeypatch.setattr(
        _fingerprint, "_unchanged", lambda model: contextlib.nullcontext()
    )
    fingerprint(model)
    assert state_of(model) != before


def test_a_compiled_function_keeps_no_fixed_values(monkeypatch):
    x = np.random.default_rng(0).random((2, 5, 5, 1))

    def predicted(before):
        keras.utils.set_random_seed(0)
        model = around(Compiled())
        before(model)
        return model(x, training=True).numpy()

    expected = predicted(lambda model: None)
    np.testing.assert_array_equal(predicted(fingerprint), expected)
    monkeypatch.setattr(
        _fingerprint, "_unchanged", lambda model: contextlib.nullcontext()
    )
    assert not np.allclose(predicted(fingerprint), expected)


class CompiledNoise(keras.layers.Layer):
    """A layer that draws, and reads a weight with a rule, in a compiled function."""

    def build(self, shape):
        self.scale = self.add_weight((1,), regularizer="l2", constraint="non_neg")
        self.generator = keras.random.SeedGenerator(1)

    @tf.function
    def call(self, x, training=False):
        noise = keras.random.normal((1,), seed=self.generator) if training else 1.0
        return x * self.scale * noise


def test_a_fingerprint_counts_nothing_in_a_user_s_model():
    model = with_loss(1.0)
    fingerprint(model)
    assert model.count == 0 and "count" not in vars(model)


def test_a_rule_may_read_the_name_of_its_weight():
    class Named(keras.constraints.Constraint):
        def __call__(self, weight):
            return weight * len(weight.path)

    found = fingerprint(around(kernel_constraint=Named()))
    assert len(found["prediction"]) == len(found["penalties"]) == 5


def test_functions_run_step_by_step_only_beside_a_user_s_code(monkeypatch):
    flags = []

    def note():
        flags.append(tf.config.functions_run_eagerly())
        return contextlib.nullcontext()

    monkeypatch.setattr(_fingerprint, "_on_cpu", note)
    for model in (around(), around(Scaled(1.0)), around(keras.layers.Lambda(abs))):
        fingerprint(model)
        assert not tf.config.functions_run_eagerly()
    assert flags == [False] * 10 + [True] * 10 + [False] * 10
    executed = {"Layer": keras.layers.Layer}
    exec("class Own(Layer):\n    def call(self, x):\n        return x", executed)
    for layer in (keras.layers.Lambda(lambda x: x), executed["Own"]()):
        fingerprint(around(layer))
    assert flags[30:] == [True] * 20


def test_two_threads_leave_functions_as_they_were():
    model = around(Scaled(1.0))
    expected, found = fingerprint(model), []
    threads = [
        threading.Thread(
            target=lambda: found.extend(fingerprint(model) for _ in range(3))
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 9
    assert not tf.config.functions_run_eagerly()


def test_a_compiled_function_may_draw_and_have_rules():
    model = around(CompiledNoise())
    before = fingerprint(model)
    model(np.zeros((2, 5, 5, 1)), training=True)
    assert fingerprint(model) == before
    assert fingerprint(around(CompiledNoise())) == before
    assert len(before["penalties"]) == 10


def test_losses_of_an_earlier_call_do_not_count():
    model = around(Adding(1.0))
    before = fingerprint(model)
    model(np.zeros((2, 5, 5, 1)))
    for _ in range(2):
        assert fingerprint(model) == before
    assert len(before["penalties"]) == 5 and model.losses == []


class Random(keras.layers.Layer):
    """A layer that draws without a seed: it leaves itself out in half of all calls."""

    def call(self, x, training=False):
        kept = tf.random.uniform(()) < 0.5 if training else True
        return x * tf.cast(kept, x.dtype)


def test_what_changes_from_call_to_call_is_not_compared():
    one, other = around(Random()), around(Random(), Scaled(2.0))
    found, inputs = fingerprint(one), example_inputs(one)
    assert any("training" in differences(found, fingerprint(one)) for _ in range(20))
    assert differences_of(one, inputs, found, fingerprint(one)) == []
    assert differences_of(one, inputs, found, fingerprint(other)) == ["prediction"]


def test_rounding_is_no_difference():
    one = fingerprint(around(Scaled(1.0)))
    assert differences(one, fingerprint(around(Scaled(1.00001)))) == []
    assert differences(one, fingerprint(around(Scaled(1.001)))) == [
        "prediction",
        "training",
    ]
    for found, within in ((one, 1e-4), (fingerprint(half(1.0)), 0.03)):
        for share, names in ((0.9, []), (1.1, ["prediction"])):
            moved = [list(numbers) for numbers in found["prediction"]]
            moved[2][7] += share * within * np.sqrt(np.mean(np.square(moved[2])))
            assert differences(found, {**found, "prediction": moved}) == names
    assert differences(one, "an older file") == ["version"]
    nan = fingerprint(around(Scaled(np.nan)))
    assert differences(nan, nan) == []
    assert differences(nan, one) == differences(one, nan) == ["prediction", "training"]


def test_images_lie_on_the_levels_of_the_likelihood():
    model = pixelcnn((5, 5, 1), filters=4, depth=1, likelihood=Categorical(4))
    images = np.concatenate([images for (images,) in example_inputs(model)])
    np.testing.assert_allclose(np.unique(images), np.arange(4) / 3, rtol=1e-6)


@pytest.mark.parametrize("kind", [keras.Model, ImageModel])
def test_the_likelihood_that_fit_is_given_gives_the_levels(kind, tmp_path):
    """Before, such a network was compared on the levels 0 and 1, where x = x²."""
    own = {"likelihood": Categorical(2)} if kind is ImageModel else {}

    def train(power):
        keras.utils.set_random_seed(0)
        image = keras.Input((5, 5, 1))
        model = kind(image, MaskedConv2D(4, 3, "A")(image**power), **own)
        images = np.full((2, 5, 5, 1), 1 / 3)
        how = {"likelihood": Categorical(4), "folder": tmp_path, "verbose": 0}
        training.fit(model, images, epochs=1, **how)

    train(1)
    train(1)
    with pytest.raises(
        ValueError, match=r"network \(prediction, training, penalties\)"
    ):
        train(2)


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("given", [(), (np.array([7, 3, 5]),)])
def test_a_function_of_the_label_counts(given, shape):
    def inputs(times):
        image, label = keras.Input((None, None, 1)), keras.Input(shape, dtype="int32")
        shift = keras.ops.sin(times * keras.ops.cast(label, "float32"))
        shift = keras.ops.reshape(shift, (-1, 1, 1, 1))
        model = keras.Model([image, label], image + shift)
        found = example_inputs(model, np.zeros((3, 4, 6, 1)), given)
        return found, _fingerprint.fingerprint(model, found)

    found, one = inputs(1.0)
    for images, labels in found:
        assert images.shape == (2, 4, 6, 1)
        assert labels.shape == (2, *shape)
    labels = np.concatenate([np.ravel(labels) for _, labels in found])
    assert sorted({*labels.tolist()}) == ([3, 5, 7] if given else [0, 1])
    assert differences(one, inputs(2.0)[1]) == ["prediction", "training"]


class Looking(Scaled):
    """A layer that looks up a table."""

    def call(self, label):
        return keras.ops.take(self.by, label, axis=0)


@pytest.mark.parametrize("changed", [0, 4, 5, 9])
def test_each_of_ten_labels_counts(changed):
    """Before, only the smallest and the largest label were used."""

    def network(*ones):
        image, label = keras.Input((5, 5, 1)), keras.Input((), dtype="int32")
        table = np.zeros((10, 1, 1, 1), "float32")
        table[[3, *ones]] = 1
        return keras.Model([image, label], image + Looking(table)(label))

    labels = [np.arange(10)]
    one, other = (
        _fingerprint.fingerprint(model, example_inputs(model, labels=labels))
        for model in (network(), network(changed))
    )
    assert differences(one, other) == ["prediction", "training"]


def test_a_network_that_fails_with_such_weights_is_compared_in_part():
    found = fingerprint(around(Strict()))
    assert found["prediction"] == [] and found["shapes"]
    assert differences(found, fingerprint(around(Strict()))) == []


def test_integer_weights_and_variables_outside_keep_their_values():
    outside, whole = keras.Variable(2.0), keras.Variable(2, dtype="int32")

    class Masked(keras.layers.Layer):
        def build(self, shape):
            self.mask = self.add_weight((16,), dtype="int32", trainable=False)
            self.mask.assign(np.arange(16))

        def call(self, x):
            return x * keras.ops.cast(self.mask * whole, x.dtype) * outside

    model = around(Masked())
    one = fingerprint(model)
    for variable in (outside, whole):
        variable.assign(3)
        other = fingerprint(model)
        assert differences(one, other) == ["prediction", "training"]
        one = other
    model.layers[-2].mask.assign(np.arange(16)[::-1])
    assert differences(other, fingerprint(model)) == ["prediction", "training"]


def test_deep_networks_and_batch_normalization_stay_finite():
    layers = [keras.layers.Dense(64, activation="relu") for _ in range(60)]
    layers.insert(9, keras.layers.BatchNormalization())
    found = fingerprint(around(*layers))
    numbers = np.concatenate(found["prediction"] + found["training"])
    assert np.isfinite(numbers).all() and np.abs(numbers).max() < 1e6


def test_values_that_change_their_places_change_the_sums():
    values = np.arange(128.0)
    swapped = values.reshape(-1, 2)[:, ::-1].ravel()
    one, other = (_fingerprint._sums(tensor) for tensor in (values, swapped))
    assert len(one) == 64 and sum(a != b for a, b in zip(one, other, strict=True)) > 20
