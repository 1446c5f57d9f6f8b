"""Compiled functions follow their model: what Keras computes now is what they compute."""

import array
import collections
import functools
import gc
import threading
import types
import weakref

from pixelcnn_edu import (
    _cache,
    _pixel_loop,
    _state,
    compression,
    evaluation,
    generation,
    training,
)
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.models import ImageModel, gated_pixelcnn, logits_function, pixelcnn

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from test_evaluation import randomize
from test_models import inputs_of

pytestmark = pytest.mark.usefixtures("always_compiled", "without_xla")

X = np.random.default_rng(0).integers(0, 2, (4, 3, 4, 1)).astype("float32")


def random_model(image_shape=(3, 4, 1), likelihood=None, seed=0):
    """Three masked layers with random weights: quick to compile."""
    keras.utils.set_random_seed(seed)
    likelihood = likelihood or Bernoulli()
    image = keras.Input(image_shape)
    x = layers.PReLU()(MaskedConv2D(8, 7, "A")(image))
    x = layers.Dropout(0.1)(MaskedConv2D(8, 1, activation="relu")(x))
    logits = MaskedConv2D(likelihood.logits_per_pixel(1), 1)(x)
    model = ImageModel(image, logits, likelihood=likelihood)
    randomize(model, seed)
    return model


def one_layer(image_shape, likelihood):
    """A network that compiles fast, where the likelihood is the subject."""
    image = keras.Input(image_shape)
    logits = MaskedConv2D(likelihood.logits_per_pixel(1), 3, "A")(image)
    model = ImageModel(image, logits, likelihood=likelihood)
    randomize(model)
    return model


class Scaled(layers.Layer):
    """A user's layer, of whose setting no configuration tells."""

    factor = 2.0

    def call(self, inputs):
        return inputs * self.factor

    def get_config(self):
        raise NotImplementedError("cannot be saved")


class Slope:
    """A user's activation with a setting."""

    slope = 0.5

    def __call__(self, x):
        return ops.maximum(x, self.slope * x)


class Doubled(keras.Model):
    """A model with a ``call`` and a setting of its own."""

    def call(self, inputs):
        return super().call(inputs) * self.factor


def of_keras_layers():
    """Layers of Keras that the builders do not use, one of them in a model inside."""
    image, inner = keras.Input((3, 4, 1)), keras.Input((3, 4, 4))
    x = MaskedConv2D(4, 3, "A")(image)
    x = layers.BatchNormalization()(layers.LeakyReLU()(x))
    x = layers.LayerNormalization()(layers.ELU()(x))
    x = layers.Rescaling(0.5, 0.1)(layers.ReLU()(x))
    x = layers.GaussianNoise(0.1)(layers.Softmax()(x))
    x = keras.Model(inner, layers.Dense(4, activation="relu")(inner))(x)
    x = layers.Activation("tanh")(x)
    return ImageModel(image, layers.Dense(1)(x), likelihood=Bernoulli())


MODELS = {
    "pixelcnn": lambda: pixelcnn(
        (3, 4, 1),
        filters=4,
        depth=1,
        activation="elu",
        position=True,
        one_hot=True,
        likelihood=Categorical(2),
    ),
    "gated_pixelcnn": lambda: gated_pixelcnn(
        (3, 4, 1), filters=2, depth=1, num_classes=4, label_map=1, dropout=0.1
    ),
    "layers of Keras": of_keras_layers,
}


def other_values(layer):
    """Yield (attribute, another value) for all that a layer's configuration tells."""
    yield "trainable", not layer.trainable
    yield "dtype_policy", keras.DTypePolicy("mixed_bfloat16")
    for name in layer.get_config():
        value = getattr(layer, name, None)
        if isinstance(value, bool) and name != "trainable":
            yield name, not value
        elif isinstance(value, int | float):
            yield name, value + 1
        elif callable(value) and name == "activation":
            yield name, keras.activations.softsign
        elif isinstance(value, tuple) and all(isinstance(v, int) for v in value):
            yield name, tuple(v + 1 for v in value)


def whole_tensor(model, inputs):
    return model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)


def whole(model, inputs):
    """What Keras computes now, without anything that was compiled before."""
    return np.asarray(whole_tensor(model, inputs))


def compiled(model, inputs):
    """The same, compiled for this call alone, so that roundings are equal."""
    inputs = [ops.convert_to_tensor(value) for value in inputs]
    function = tf.function(lambda *x: whole_tensor(model, x), autograph=False)
    return np.asarray(function(*inputs))


def loop_of(model):
    try:
        return _pixel_loop.pixel_loop(model, model.likelihood)
    except ValueError as error:  # the changed layer looks ahead
        return str(error)


def stale(model):
    """Change every attribute of a layer of each type; return what came of it.

    The first result names the attributes whose change went unnoticed, the second says how
    many changes move the logits.
    """
    inputs, found, moved = inputs_of(model, 4), [], 0
    before = whole(model, inputs)
    logits_function(model)(*inputs)
    loop = loop_of(model)
    every = {type(layer): layer for layer in model._flatten_layers(include_self=False)}
    for layer in every.values():
        for name, value in list(other_values(layer)):
            old = getattr(layer, name)
            try:
                setattr(layer, name, value)
                now = whole(model, inputs)
                changed = abs(now - before).max() > 1e-3
            except Exception:  # Keras refuses it, or the output has another shape
                changed = False
            if changed:
                moved += 1
                ours = logits_function(model)(*inputs)
                # a stale answer is at least 1e-3 off; half precision may round otherwise
                same = np.allclose(ours, now, rtol=0, atol=1e-4) or np.array_equal(
                    ours, compiled(model, inputs)
                )
                if not same or loop_of(model) is loop:
                    found.append(f"{layer.name}.{name}")
            setattr(layer, name, old)
    np.testing.assert_allclose(logits_function(model)(*inputs), before, atol=1e-5)
    return found, moved


@pytest.mark.parametrize("name", MODELS)
def test_no_answer_is_that_of_a_layer_as_it_was(name):
    model = MODELS[name]()
    model.set_weights([w + 0.3 for w in model.get_weights()])
    found, moved = stale(model)
    assert found == []
    assert moved >= 8


def test_the_search_finds_a_cache_that_knows_its_model_by_name(monkeypatch):
    monkeypatch.setattr(
        _cache, "state_of", lambda *things, **_: ({None: str(things)}, [])
    )
    image = keras.Input((3, 4, 1))
    x = MaskedConv2D(2, 3, "A", activation="relu", bias_initializer="ones")(image)
    found, _ = stale(ImageModel(image, layers.Dense(1)(x), likelihood=Bernoulli()))
    assert {name.split(".")[1] for name in found} >= {"activation", "use_bias"}


def first_masked(model):
    return next(layer for layer in model.layers if isinstance(layer, MaskedConv2D))


def lora(model):
    layer = model.layers[-1]
    layer.enable_lora(1)
    layer.lora_kernel_b.assign(ops.ones_like(layer.lora_kernel_b))


def activation(model):
    first_masked(model).activation = keras.activations.tanh


def mask_in_place(model):
    first_masked(model).mask[:3] = 0


def test_a_change_reaches_every_method_and_the_likelihood():
    model = random_model(seed=1)
    uniforms = np.random.default_rng(0).random((16, 3, 4, 1), dtype="float32")

    def answers():
        draws = [
            generation.generate(model, 16, uniforms=uniforms, method=method)
            for method in generation.METHODS
        ]
        return evaluation.nats_per_image(model, X), *draws

    before = answers()
    for change in (lora, activation, mask_in_place):
        change(model)
        nats, *draws = answers()
        fresh = ImageModel(model.input, model.output, likelihood=Bernoulli())
        np.testing.assert_array_equal(nats, evaluation.nats_per_image(fresh, X))
        log_p = model.likelihood.log_prob(whole(model, [X]), X)
        np.testing.assert_allclose(nats, -log_p, rtol=1e-5)
        for drawn in draws:
            np.testing.assert_array_equal(drawn, draws[-1])
        assert (nats != before[0]).any(), change
        assert (draws[-1] != before[-1]).any(), change
        before = nats, *draws


def test_a_model_with_lora_says_what_its_copy_on_disk_says(tmp_path):
    model = random_model()
    evaluation.nats_per_image(model, X)
    lora(model)
    nats = evaluation.nats_per_image(model, X)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(nats, evaluation.nats_per_image(loaded, X), rtol=1e-5)


def scaled(model):
    model.get_layer("scaled").factor = 3.0


def scaled_by_an_array(model):
    model.get_layer("scaled").factor = np.float32([3.0])
    logits_function(model)(X)
    model.get_layer("scaled").factor[0] = 4.0


def slope(model):
    model.get_layer("dense").activation.slope = 0.25


def call_of_a_layer(model):
    model.get_layer("dense").call = lambda x, training=None: ops.tanh(x)


class Slots:
    """A user's activation whose setting lies in a slot."""

    __slots__ = ("factor",)

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return x * self.factor


def in_slots(model):
    model.get_layer("dense").activation = held = Slots(2.0)
    logits_function(model)(X)
    held.factor = 5.0


def in_keywords(model):
    held = functools.partial(lambda x, factor: x * factor, factor=2.0)
    model.get_layer("dense").activation = held
    logits_function(model)(X)
    held.keywords["factor"] = 5.0


def in_a_deque(model):
    layer = model.get_layer("scaled")
    layer.held = held = collections.deque([2.0])
    layer.call = lambda x: x * held[0]
    logits_function(model)(X)
    held[0] = 5.0


def in_a_view(model):
    layer, held = model.get_layer("scaled"), {"factor": 2.0}
    layer.held = types.MappingProxyType(held)
    layer.call = lambda x: x * held["factor"]
    logits_function(model)(X)
    held["factor"] = 5.0


def in_bytes(held, model):
    layer = model.get_layer("scaled")
    layer.held = held
    layer.call = lambda x: x * float(held[0])
    logits_function(model)(X)
    held[0] = 5


def in_a_masked_array(model):
    layer = model.get_layer("scaled")
    layer.held = held = np.ma.array([2.0], mask=[False])
    layer.call = lambda x: x * float(held.filled(5.0)[0])
    logits_function(model)(X)
    held[0] = np.ma.masked


def in_a_memory_view(model):
    in_bytes(memoryview(bytearray([2])), model)


def in_an_array_of_objects(model):
    layer = model.get_layer("scaled")
    layer.held = held = np.array([[2.0], None], dtype=object)
    layer.call = lambda x: x * held[0][0]
    logits_function(model)(X)
    held[0][0] = 5.0


def minus_zero(model):
    layer = model.get_layer("scaled")
    layer.zero = 0.0
    layer.call = lambda x: x * np.copysign(2.0, layer.zero)
    logits_function(model)(X)
    layer.zero = -0.0


class Signal(np.ndarray):
    """A user's array with an attribute."""


def in_a_kind_of_array(model):
    layer = model.get_layer("scaled")
    layer.held = held = np.ones(2, "float32").view(Signal)
    held.factor = 2.0
    layer.call = lambda x: x * layer.held.factor
    logits_function(model)(X)
    held.factor = 5.0


def a_list_for_a_tuple(model):
    layer = model.get_layer("scaled")
    layer.index = (0, 1)
    table = np.float32([[1.0, 2.0], [3.0, 5.0]])
    layer.call = lambda x: x * np.sum(table[layer.index])
    logits_function(model)(X)
    layer.index = [0, 1]


class SlopeByName(Slope):
    """A user's activation with attributes whose names Keras uses for layers."""

    name, built = "rising", False

    def __call__(self, x):
        x = ops.maximum(x, self.slope * x) if self.name == "rising" else -x
        return 2 * x if self.built else x


def in_an_attribute_called(name, value, model):
    model.get_layer("dense").activation = held = SlopeByName()
    logits_function(model)(X)
    setattr(held, name, value)


def self_attention(model):
    layer = model.get_layer("scaled")
    layer._self_attention_scale = 2.0
    layer.call = lambda x: x * layer._self_attention_scale
    logits_function(model)(X)
    layer._self_attention_scale = 5.0


class SlopeOperation(keras.Operation):
    """A user's activation that is an operation of Keras, which Keras does not list."""

    slope = 0.5

    def call(self, x):
        return ops.maximum(x, self.slope * x)


def in_an_operation(model):
    model.get_layer("dense").activation = held = SlopeOperation()
    held.slope = 0.25
    logits_function(model)(X)
    held.slope = 0.75


def in_a_layer_in_a_deque(model):
    layer, held = model.get_layer("scaled"), layers.LeakyReLU(0.5)
    layer.held = collections.deque([held])
    layer.call = lambda x: layer.held[0](x)
    logits_function(model)(X)
    held.negative_slope = 0.125


def own_factor(model):
    model.factor = 0.5


def quantized(model):
    model.get_layer("dense").quantize("int8")


def doubled():
    image = keras.Input((3, 4, 1))
    x = Scaled(name="scaled")(MaskedConv2D(2, 3, "A")(image))
    x = layers.Dense(2, activation=Slope(), name="dense")(x)
    model = Doubled(image, layers.Conv2D(1, 1, name="last")(x))
    model.factor = 2.0
    return model


CHANGES = [scaled, scaled_by_an_array, slope, call_of_a_layer, own_factor, quantized]
CHANGES += [in_slots, in_keywords, in_a_deque, in_a_view, in_a_masked_array]
CHANGES += [in_a_memory_view, in_an_array_of_objects, a_list_for_a_tuple]
CHANGES += [minus_zero, in_a_kind_of_array]
CHANGES += [self_attention, in_an_operation, in_a_layer_in_a_deque]
CHANGES += [
    functools.partial(in_an_attribute_called, "name", "falling"),
    functools.partial(in_an_attribute_called, "built", True),
]
CHANGES += [
    functools.partial(in_bytes, one) for one in (bytearray([2]), array.array("d", [2]))
]


@pytest.mark.parametrize("change", CHANGES)
def test_settings_that_no_configuration_tells_are_seen(change):
    model = doubled()
    logits = logits_function(model)  # held, while the model changes
    before = logits(X)
    change(model)
    np.testing.assert_array_equal(logits(X), compiled(model, [X]))
    assert abs(logits(X) - before).max() > 1e-5
    state = _state.state_of(model)[0]
    assert state == _state.state_of(model)[0]


def test_a_sequential_model_that_grew_is_seen():
    model = keras.Sequential([keras.Input((3, 4, 1)), MaskedConv2D(1, 3, "A")])
    before = evaluation.nats_per_image(model, X, likelihood=Bernoulli())
    model.add(layers.Rescaling(2.0))
    after = evaluation.nats_per_image(model, X, likelihood=Bernoulli())
    assert (before != after).any()
    model.pop()
    again = evaluation.nats_per_image(model, X, likelihood=Bernoulli())
    np.testing.assert_array_equal(again, before)


def test_an_object_that_gets_the_id_of_one_that_is_gone_is_another():
    model = random_model()
    layer = first_masked(model)
    for factor in range(1, 5):  # CPython gives a freed place away at once
        layer.activation = eval(f"lambda x: x * {factor}")
        np.testing.assert_array_equal(logits_function(model)(X), compiled(model, [X]))


BY_IDENTITY = {**MODELS, "prelu": lambda: pixelcnn((3, 4, 1), filters=4, depth=1)}


@pytest.mark.parametrize("name", BY_IDENTITY)
def test_a_model_that_stays_is_not_compared_by_value(name, monkeypatch):
    model, compared, state_of = BY_IDENTITY[name](), [], _state.state_of
    logits = logits_function(model)
    before = logits(*inputs_of(model, 4))

    def noted(*things, **by_value):
        compared.extend(things)
        return state_of(*things, **by_value)

    monkeypatch.setattr(_cache, "state_of", noted)
    np.testing.assert_array_equal(logits(*inputs_of(model, 4)), before)
    assert not any(one is model for one in compared)
    first_masked(model).use_bias = False
    logits(*inputs_of(model, 4))
    assert any(one is model for one in compared)


@pytest.mark.parametrize("kept_alive", [True, False])
def test_no_other_number_gets_the_id_of_one_that_is_compared(kept_alive):
    image, scaled = keras.Input((3, 4, 1)), Scaled(name="scaled")
    model = keras.Model(image, scaled(image))
    scaled.factor = float("7.5")
    holdings, place = _state.Holdings(model), id(scaled.factor)
    if not kept_alive:  # the planted bug
        holdings.values.clear()
    del scaled.factor  # CPython gives a freed place away at once
    others = {id(other): other for other in map(float, range(10_000))}
    scaled.factor = others.get(place, 0.0)
    assert holdings.are_of(model) != kept_alive


class Sharper(Bernoulli):
    """A user's likelihood, whose configuration does not tell its setting."""

    def __init__(self, factor):
        self.factor = factor

    def _sample(self, logits, uniforms, temperature):
        return super()._sample(self.factor * logits, uniforms, temperature)


def test_likelihoods_are_told_apart_by_their_attributes():
    model = random_model()
    loop = _pixel_loop.pixel_loop(model, Bernoulli())
    assert _pixel_loop.pixel_loop(model, Bernoulli()) is loop
    sharper = Sharper(2.0)
    assert _pixel_loop.pixel_loop(model, sharper) is not loop
    assert _pixel_loop.pixel_loop(model, sharper).likelihood == sharper
    sharper.factor = 3.0
    drawn = _pixel_loop.pixel_loop(model, Sharper(3.0))
    assert drawn is _pixel_loop.pixel_loop(model, sharper)
    assert drawn is not _pixel_loop.pixel_loop(model, Sharper(2.0))
    assert _pixel_loop.pixel_loop(model, Bernoulli()) is loop


class Leaky(Bernoulli):
    """A user's likelihood that holds a layer of Keras."""

    def __init__(self):
        self.leaky = layers.LeakyReLU(0.5)

    def _sample(self, logits, uniforms, temperature):
        return super()._sample(self.leaky(logits), uniforms, temperature)


def test_a_setting_of_a_layer_in_a_likelihood_is_seen():
    model, likelihood = random_model(), Leaky()
    loop = _pixel_loop.pixel_loop(model, likelihood)
    assert _pixel_loop.pixel_loop(model, likelihood) is loop
    likelihood.leaky.negative_slope = 0.125
    assert _pixel_loop.pixel_loop(model, likelihood) is not loop


def test_what_leaves_a_model_as_it_is_compiles_nothing_anew(tmp_path):
    model = random_model()
    loop = _pixel_loop.pixel_loop(model, model.likelihood)
    logits_function(model)(X)
    function = _cache.kept(model, "logits", None)
    samples = training.SampleGrid(2)
    training.fit(model, X, epochs=2, verbose=0, callbacks=[samples])
    randomize(model)
    model.compile("adam", "mse")
    model.predict(X, verbose=0)
    model.save(tmp_path / "model.keras")
    keras.Model(model.input, model.layers[3].output)
    keras.Sequential([model, layers.Conv2D(1, 1)])(X)
    assert _pixel_loop.pixel_loop(model, model.likelihood) is loop
    assert _cache.kept(model, "logits", None) is function


def test_loops_are_let_go_with_the_model_as_it_was_and_are_few():
    model = random_model()
    loop = weakref.ref(_pixel_loop.pixel_loop(model, model.likelihood))
    activation(model)
    _pixel_loop.pixel_loop(model, model.likelihood)
    gc.collect()
    assert loop() is None
    for factor in range(30):
        _pixel_loop.pixel_loop(model, Sharper(factor))
    assert len(_cache._entries[model].built) == _cache._MOST


def test_a_model_with_a_call_of_its_own_is_not_kept_alive():
    model = doubled()
    model.compile("sgd", "mse")
    model.fit(X, X, verbose=0)  # the history refers to the model
    logits_function(model)(X)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def at_once(*calls):
    """Return what the calls return, each in a thread of its own; all begin together."""
    results, barrier = [None] * len(calls), threading.Barrier(len(calls))

    def run(i, call):
        barrier.wait()
        results[i] = call()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_threads_that_ask_at_once_share_one_loop(monkeypatch):
    model, built = random_model(), []
    read_graph = _pixel_loop.read_graph

    def slowly(model):
        built.append(model)
        threading.Event().wait(0.05)
        return read_graph(model)

    monkeypatch.setattr(_pixel_loop, "read_graph", slowly)
    loops = at_once(
        *[lambda: _pixel_loop.pixel_loop(model, model.likelihood)] * 8,
    )
    assert len(built) == 1
    assert len(set(map(id, loops))) == 1


def test_threads_that_use_one_model_at_once_get_what_each_gets_alone():
    calls = [
        lambda m: evaluation.nats_per_image(m, X),
        lambda m: generation.generate(m, 8, seed=0),
        lambda m: generation.generate(m, 8, seed=0, method="naive"),
        lambda m: generation.complete(m, X, X[0, ..., 0] > 0, seed=0, count=2),
    ]
    calls *= 2
    model = random_model()
    alone = [call(model) for call in calls]
    fresh = keras.models.clone_model(model)
    fresh.set_weights(model.get_weights())
    together = at_once(*[lambda call=call: call(fresh) for call in calls])
    for ours, expected in zip(together, alone, strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_a_file_written_after_a_change_is_read_by_the_model_as_it_is():
    """Until it did, only the process that had the model as it was could read the file."""
    model = random_model()
    compression.compress(model, X[:1])
    masked = [one for one in model.layers if isinstance(one, MaskedConv2D)]
    masked[-1].activation = keras.activations.tanh
    file = compression.compress(model, X)
    bits = compression.code_length(model, X)
    nats = evaluation.nats_per_image(model, X)
    np.testing.assert_allclose(bits * np.log(2), nats, rtol=0.01)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(compression.decompress(copy, file), X)


def test_an_array_in_the_graph_that_changes_is_seen():
    mask, image = np.ones((3, 4, 1), "float32"), keras.Input((3, 4, 1))
    x = MaskedConv2D(1, 3, "A", bias_initializer="ones")(image)
    model = ImageModel(image, x * mask, likelihood=Bernoulli())
    before = evaluation.nats_per_image(model, X)
    mask[:] = 0
    nats = evaluation.nats_per_image(model, X)
    assert not np.allclose(before, nats)
    np.testing.assert_allclose(nats, 12 * np.log(2), rtol=1e-6)


class ScaledBy(layers.Layer):
    """A user's layer that is called with an object of the user's."""

    def call(self, inputs, setting):
        return inputs * setting.slope


def test_an_object_in_the_graph_that_changes_is_seen():
    setting, image = Slope(), keras.Input((3, 4, 1))
    x = MaskedConv2D(1, 3, "A", bias_initializer="ones")(image)
    model = ImageModel(image, ScaledBy()(x, setting=setting), likelihood=Bernoulli())
    before = evaluation.nats_per_image(model, X)
    setting.slope = 2.0
    assert not np.allclose(before, evaluation.nats_per_image(model, X))


def test_a_call_that_is_replaced_is_seen_beside_an_attribute_that_is_gone():
    model = one_layer((3, 4, 1), Bernoulli())
    model.note = 1.0
    logits_function(model)(X)
    before = evaluation.nats_per_image(model, X)
    del model.note
    model.call = lambda inputs, training=None, mask=None: inputs - 0.5
    assert not np.allclose(before, evaluation.nats_per_image(model, X))


def test_a_loop_compiled_from_a_model_that_has_changed_meanwhile_is_not_used_again():
    model = random_model()
    layer, as_it_was = first_masked(model), keras.activations.linear
    layer.activation = as_it_was
    expected = generation.generate(model, 8, seed=0, method="naive")
    slices = generation.generate_slices(model, 8, seed=0)
    layer.activation = keras.activations.tanh
    list(slices)
    layer.activation = as_it_was
    np.testing.assert_array_equal(generation.generate(model, 8, seed=0), expected)


class Noting(layers.Layer):
    """A user's layer that writes into itself at each call; it knows a setting, too."""

    def __init__(self):
        super().__init__()
        self.calls, self.last, self.factor = 0, None, 1.0

    def call(self, inputs):
        self.calls += 1
        self.last = inputs
        return self.factor * inputs


def test_a_layer_that_notes_its_calls_is_compiled_twice_and_its_setting_counts():
    image, noting = keras.Input((3, 4, 1)), Noting()
    x = noting(MaskedConv2D(1, 3, "A", bias_initializer="ones")(image))
    model = ImageModel(image, x, likelihood=Bernoulli())
    first, _ = [evaluation.nats_per_image(model, X) for _ in range(2)]
    calls = noting.calls
    evaluation.nats_per_image(model, X)
    assert noting.calls == calls
    for factor in (0.0, 1.0):
        noting.factor = factor
        nats = evaluation.nats_per_image(model, X)
        assert noting.calls == (calls := calls + 1)
        assert (nats == first).all() == bool(factor)
        evaluation.nats_per_image(model, X)
        assert noting.calls == calls


class Slow(layers.Layer):
    """A user's layer that is called for so long that another thread can change it."""

    def __init__(self):
        super().__init__()
        self.factor, self.called, self.changed = 1.0, threading.Event(), None

    def call(self, inputs):
        result = self.factor * inputs
        if self.changed:
            self.called.set()
            assert self.changed.wait(60)
        return result


def test_a_setting_that_another_thread_changes_meanwhile_is_seen_by_the_next_call():
    image, slow = keras.Input((3, 4, 1)), Slow()
    x = slow(MaskedConv2D(1, 3, "A", bias_initializer="ones")(image))
    model = ImageModel(image, x, likelihood=Bernoulli())
    slow.changed = threading.Event()

    def change():
        assert slow.called.wait(60)
        slow.factor = 3.0
        slow.changed.set()

    at_once(lambda: evaluation.nats_per_image(model, X), change)
    for factor in (3.0, 5.0):
        slow.factor = factor
        ours = logits_function(model)(X)
        np.testing.assert_array_equal(ours, compiled(model, [X]))


class NotingActivation:
    """A user's activation that counts its calls."""

    calls, factor = 0, 1.0

    def __call__(self, x):
        self.calls += 1
        return ops.tanh(self.factor * x)


def test_an_activation_that_notes_its_calls_keeps_the_compiled_loop():
    image, noting = keras.Input((3, 4, 1)), NotingActivation()
    noting.calls, noting.factor = 0, 1.0
    x = MaskedConv2D(3, 3, "A", activation=noting)(image)
    model = ImageModel(image, layers.Conv2D(1, 1)(x), likelihood=Bernoulli())
    randomize(model)
    for _ in range(2):
        generation.generate(model, 2, seed=0)
    loop, calls = _pixel_loop.pixel_loop(model, model.likelihood), noting.calls
    generation.generate(model, 2, seed=0)
    assert _pixel_loop.pixel_loop(model, model.likelihood) is loop
    assert noting.calls == calls
    noting.factor = 2.0
    assert _pixel_loop.pixel_loop(model, model.likelihood) is not loop
    loop = _pixel_loop.pixel_loop(model, model.likelihood)
    layer = first_masked(model)
    layer.activation = keras.activations.tanh
    assert _pixel_loop.pixel_loop(model, model.likelihood) is not loop


@pytest.mark.parametrize("kind", [dict, list])
def test_a_setting_that_contains_itself_is_compared_like_any_other(kind):
    model = random_model()
    layer = first_masked(model)
    layer.notes = {"factor": 1} if kind is dict else [1]
    if kind is dict:
        layer.notes["all"] = layer.notes
    else:
        layer.notes.append(layer.notes)
    state, _ = _state.state_of(model)
    assert _state.state_of(model)[0] == state
    layer.notes["factor" if kind is dict else 0] = 2
    assert _state.state_of(model)[0] != state


class Tilted(Categorical):
    """A likelihood of a user; each level has a logit that grows with the level."""

    def __init__(self, levels, tilt):
        Categorical.__init__(self, levels)
        self.tilt = tilt

    def _by_channel(self, logits, values):
        slope = self.tilt * np.arange(self.levels, dtype="float32")
        return Categorical._by_channel(self, logits, values) + slope


class TiltedInSlots(Categorical):
    __slots__ = ("tilt",)
    __init__ = Tilted.__init__
    _by_channel = Tilted._by_channel


def mean_of(model, likelihood, method="cached", count=8):
    return generation.generate(
        model, count, seed=0, likelihood=likelihood, method=method
    ).mean()


def test_a_likelihood_changed_in_place_leaves_an_equal_one_as_it_was():
    model = one_layer((3, 3, 1), Categorical(4))
    likelihood = Tilted(4, 0.0)
    right = mean_of(model, likelihood, "naive")
    assert abs(right - mean_of(model, Tilted(4, 5.0), "naive")) > 0.2
    mean_of(model, likelihood, count=1)  # the loop is kept; 8 images compile it anew
    likelihood.tilt = 5.0
    np.testing.assert_allclose(mean_of(model, Tilted(4, 0.0)), right, atol=1e-6)


def test_an_attribute_in_a_slot_belongs_to_a_likelihood_too():
    model = one_layer((3, 3, 1), Categorical(4))
    for tilt in (0.0, 5.0):
        likelihood = TiltedInSlots(4, tilt)
        right = mean_of(model, likelihood, "naive")
        np.testing.assert_allclose(mean_of(model, likelihood), right, atol=1e-6)


class Calibrated(Bernoulli):
    """A user's likelihood with a variable."""

    def __init__(self):
        self.scale = keras.Variable(1.0)

    def _sample(self, logits, uniforms, temperature):
        return super()._sample(self.scale * logits, uniforms, temperature)


def test_the_value_of_a_likelihood_s_variable_reaches_the_loop():
    model, likelihood = one_layer((3, 4, 1), Bernoulli()), Calibrated()
    uniforms = np.random.default_rng(0).random((32, 3, 4, 1), dtype="float32")
    known = np.zeros((3, 4), bool)
    arguments = model, likelihood, uniforms, 0 * uniforms, known, 1.0
    drawn = []
    for scale in (1.0, 0.1):
        likelihood.scale.assign(scale)
        drawn.append(generation.cached(*arguments))
        np.testing.assert_array_equal(drawn[-1], generation.naive(*arguments))
    assert (drawn[0] != drawn[1]).any()


class CalibratedBy(Bernoulli):
    """A user's likelihood, with a part of its scale in each attribute."""

    def __init__(self):
        for kind, (make, _) in HELD.items():
            setattr(self, kind, make())

    def variables(self):
        return {kind: find(getattr(self, kind)) for kind, (_, find) in HELD.items()}

    def scale(self):
        return ops.prod(ops.stack([ops.sum(v) for v in self.variables().values()]))

    def _sample(self, logits, uniforms, temperature):
        return super()._sample(self.scale() * logits, uniforms, temperature)

    def _probabilities(self, logits, images):
        return super()._probabilities(self.scale() * logits, images)


def dense():
    layer = layers.Dense(1, kernel_initializer="ones")
    layer.build((None, 1))
    return layer


def space(value):
    return types.SimpleNamespace(a=value)


HELD = {
    "tf.Variable": (lambda: tf.Variable(1.0), lambda held: held),
    "a list": (lambda: [keras.Variable(1.0)], lambda held: held[0]),
    "a dict": (lambda: {"a": [tf.Variable(1.0)]}, lambda held: held["a"][0]),
    "a layer": (dense, lambda held: held.kernel),
    "a layer in a list": (lambda: [dense()], lambda held: held[0].kernel),
    "a layer in a model": (
        lambda: keras.Sequential([keras.Input((1,)), dense()]),
        lambda held: held.layers[0].kernel,
    ),
    "an object in an object": (
        lambda: space(space(keras.Variable(1.0))),
        lambda held: held.a.a,
    ),
}


def test_values_of_variables_count_wherever_a_likelihood_holds_them():
    model, likelihood = one_layer((3, 4, 1), Bernoulli()), CalibratedBy()
    likelihood.itself = [likelihood]
    loop = _pixel_loop.pixel_loop(model, likelihood)
    assert _pixel_loop.pixel_loop(model, likelihood) is loop
    before = compression.code_length(model, X, likelihood=likelihood)
    for kind, variable in likelihood.variables().items():
        variable.assign(np.full(variable.shape, 0.7))
        loop, last = _pixel_loop.pixel_loop(model, likelihood), loop
        assert loop is not last, kind
        assert _pixel_loop.pixel_loop(model, likelihood) is loop
    bits = compression.code_length(model, X, likelihood=likelihood)
    how = {"likelihood": likelihood, "method": "naive"}
    np.testing.assert_array_equal(bits, compression.code_length(model, X, **how))
    assert (bits != before).any()
    log_p = Bernoulli().log_prob(0.7 ** len(HELD) * whole(model, [X]), X)
    np.testing.assert_allclose(bits, -np.asarray(log_p) / np.log(2), rtol=1e-3)
    means = [mean_of(model, likelihood, each, 32) for each in ("cached", "naive")]
    assert means[0] == means[1]
