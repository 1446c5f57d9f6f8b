"""Compression: what goes in comes out, at the size the probabilities promise."""

import _thread
import contextlib
import enum
import functools
import gc
import math
import os
import random
import struct
import subprocess
import sys
import threading
import weakref
import zlib

from pixelcnn_edu import _cache, code_file, compression, evaluation, generation
from pixelcnn_edu._coding_loop import CodingLoop
from pixelcnn_edu.compression import (
    choose_values,
    code_length,
    compress,
    decompress,
    quantize,
)
from pixelcnn_edu.gated import StackConv2D
from pixelcnn_edu.layers import MaskedConv2D, PositionBias
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.models import ImageModel, gated_pixelcnn, logits_function

import keras
import numpy as np
import pytest
import tensorflow as tf
from effort import examples, tally
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from test_evaluation import random_model, randomize

pytest.importorskip("constriction")

HEADER = 37
CASES = {
    "binary": ((5, 4, 1), Bernoulli(), {}),
    "color, in order": ((3, 4, 3), Categorical(4), {}),
    "color, mixture": ((3, 4, 3), DiscretizedLogisticMixture(2, 8), {}),
    "gated": ((5, 5, 1), Bernoulli(), {"builder": gated_pixelcnn}),
    "labels": ((4, 4, 1), Categorical(3), {"builder": gated_pixelcnn, "labels": 3}),
    "256 levels": ((3, 3, 1), DiscretizedLogisticMixture(2, 256), {}),
}


def model_of(case, seed=0):
    shape, likelihood, how = CASES[case]
    how = dict(how)
    classes = how.pop("labels", None)
    if classes:
        how["num_classes"] = classes
    return random_model(shape, likelihood, seed, **how)


@functools.cache
def shared(case):
    """A model that is the same in every test, so that its loops are compiled once."""
    return model_of(case)


@contextlib.contextmanager
def restored(model):
    """Let a block change the weights of a shared model."""
    weights = model.get_weights()
    try:
        yield
    finally:
        model.set_weights(weights)


def copy_of(model):
    """Return an equal model, of which nothing is compiled."""
    copy = ImageModel.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy


def labels_of(model, count):
    return np.arange(count) % model.num_classes if len(model.inputs) > 1 else None


def images_of(model, count, seed=0):
    """Half of them drawn from the model, half with every level alike."""
    half = -(-count // 2)
    how = {"labels": labels_of(model, half), "method": "fixed_point"}
    likely = generation.generate(model, half, seed=seed, **how)
    levels = model.likelihood.levels
    shape = (count // 2, *likely.shape[1:])
    any_ = np.random.default_rng(seed).integers(0, levels, shape)
    return np.concatenate([likely, (any_ / (levels - 1)).astype("float32")])


def trivial(shape=(3, 3, 1)):
    """One weight, and logits that depend on the pixel to the left."""
    image = keras.Input(shape)
    out = MaskedConv2D(1, (1, 3), "A")(image)
    model = ImageModel(image, out, likelihood=Bernoulli())
    model.set_weights([np.full(w.shape, 0.7) for w in model.get_weights()])
    return model


shared_trivial = functools.cache(trivial)


# ------------------------------------------------------------------ the round trip


@pytest.mark.parametrize(
    ("case", "method"),
    [*((case, "cached") for case in CASES), ("labels", "naive")],
)
def test_images_come_back_equal_at_the_size_the_probabilities_promise(case, method):
    model = shared(case)
    images = images_of(model, 7)
    how = {"labels": labels_of(model, 7)}
    data = compress(model, images, method=method, **how)
    again = decompress(model, data, **how)
    assert again.dtype == np.float32
    np.testing.assert_array_equal(again, images)
    bits = code_length(model, images, method=method, **how)
    assert bits.shape == (7,)
    # the range coder ends with up to two words of 32 bits
    assert bits.sum() <= 8 * (len(data) - HEADER) <= 1.001 * bits.sum() + 64
    # of images drawn from the model; elsewhere a count of 1 may stand for much less
    nats = evaluation.nats_per_image(model, images, **how)[:4]
    slack = 0.01 * math.prod(images.shape[1:])  # counts have 16 bits
    np.testing.assert_allclose(bits[:4], nats / math.log(2), rtol=0.01, atol=slack)
    tally("images compressed and decompressed", len(images))


@settings(max_examples=examples(4, 100))
@given(
    case=st.sampled_from(sorted(CASES)),
    seed=st.integers(0, 1000),
    count=st.sampled_from([1, 2, 15, 16, 17, 40]),
)
def test_any_random_model_gives_its_images_back(case, seed, count):
    model, labels = shared(case), labels_of(shared(case), count)
    with restored(model):
        randomize(model, seed)
        images = images_of(model, count, seed)
        data = compress(model, images, labels=labels)
        np.testing.assert_array_equal(decompress(model, data, labels=labels), images)
    tally("images compressed and decompressed", count)


@pytest.mark.parametrize("method", ["cached", "naive"])
def test_one_channel_added_to_as_many_channels_as_images_costs_its_nats(method):
    image = keras.Input((3, 4, 1))
    x = layers.add([MaskedConv2D(c, 3, "A")(image) for c in (16, 1)])
    logits = MaskedConv2D(1, 1)(layers.ReLU()(x))
    model = ImageModel(image, logits, likelihood=Bernoulli())
    randomize(model)
    images = np.random.default_rng(0).integers(0, 2, (16, 3, 4, 1))
    bits = code_length(model, images, method=method)
    nats = evaluation.nats_per_image(model, images)
    np.testing.assert_allclose(bits, nats / math.log(2), rtol=0.01)


@pytest.mark.parametrize("method", compression.METHODS)
def test_a_channel_s_probabilities_know_the_channels_before_it(method):
    """The graph of a model only bounds what is read of the own pixel: here, nothing is."""
    image, likelihood = keras.Input((3, 4, 3)), DiscretizedLogisticMixture(2, 4)
    logits = keras.layers.Dense(likelihood.logits_per_pixel(3))
    model = ImageModel(
        image,
        PositionBias()(logits(keras.layers.Rescaling(0.0)(image))),
        likelihood=likelihood,
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 1, w.shape) for w in model.weights])
    images = images_of(model, 4)
    nats = evaluation.nats_per_image(model, images)
    bits = code_length(model, images, method=method)
    np.testing.assert_allclose(bits, nats / math.log(2), rtol=0.01)


def test_a_file_is_read_with_the_saved_model_after_lora(tmp_path):
    model = model_of("binary")
    images = np.random.default_rng(0).integers(2, size=(3, 5, 4, 1)).astype("float32")
    model.layers[-1].enable_lora(1)
    layer = model.layers[-1]
    layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape))
    with pytest.raises(ValueError, match="without LoRA adapters"):
        compression.compress(model, images, method="naive")
    for _ in range(2):  # what Keras loads stays as it is
        model.save(tmp_path / "model.keras")
        model = keras.models.load_model(tmp_path / "model.keras")
        data = compression.compress(model, images, method="naive")
    model = keras.models.load_model(tmp_path / "model.keras")
    found = compression.decompress(model, data)
    np.testing.assert_array_equal(found, images)


def test_more_images_than_a_slice_holds_and_a_single_one():
    model = shared_trivial()
    images = images_of(model, 300)
    np.testing.assert_array_equal(decompress(model, compress(model, images)), images)
    one = images[:1]
    np.testing.assert_array_equal(decompress(model, compress(model, one)), one)


def test_a_copy_of_the_model_decodes():
    model = shared("gated")
    images = images_of(model, 5)
    data = compress(model, images)
    np.testing.assert_array_equal(decompress(copy_of(model), data), images)


def test_one_label_for_all_is_a_label_for_each():
    model = shared("labels")
    images = images_of(model, 4)
    data = compress(model, images, labels=2)
    again = decompress(model, data, labels=np.full(4, 2))
    np.testing.assert_array_equal(again, images)


def test_a_model_that_leaves_its_size_open():
    image = keras.Input((None, None, 1))
    x = MaskedConv2D(4, 3, "A", activation="tanh")(image)
    model = ImageModel(image, layers.Conv2D(1, 1)(x), likelihood=Bernoulli())
    randomize(model)
    images = np.random.default_rng(0).integers(0, 2, (3, 6, 5, 1)).astype("float32")
    np.testing.assert_array_equal(decompress(model, compress(model, images)), images)
    with pytest.raises(ValueError, match="image_shape"):
        choose_values(model, 1, lambda counts: np.zeros(1, int))


def test_a_model_that_would_see_its_own_pixel_is_asked_without_it():
    image = keras.Input((4, 4, 1))
    model = ImageModel(image, MaskedConv2D(1, 3, "B")(image), likelihood=Bernoulli())
    randomize(model)
    images = np.random.default_rng(0).integers(0, 2, (3, 4, 4, 1)).astype("float32")
    for method in compression.METHODS:
        data = compress(model, images, method=method)
        np.testing.assert_array_equal(decompress(model, data), images)


def test_a_model_without_a_likelihood_and_a_layer_that_cannot_be_cached():
    image = keras.Input((4, 4, 1))
    x = MaskedConv2D(4, 3, "A")(image)
    x = layers.Lambda(lambda y: keras.ops.tanh(y), output_shape=(4, 4, 4))(x)
    model = keras.Model(image, MaskedConv2D(1, 1)(x))
    images = np.random.default_rng(0).integers(0, 2, (3, 4, 4, 1)).astype("float32")
    how = {"likelihood": Bernoulli()}
    with pytest.raises(ValueError, match="Lambda.*method='naive'"):
        compress(model, images, **how)
    data = compress(model, images, method="naive", **how)
    np.testing.assert_array_equal(decompress(model, data, **how), images)
    with pytest.raises(ValueError, match="likelihood="):
        compress(model, images)


@keras.saving.register_keras_serializable("test_compression")
class DropPath(layers.Layer):
    """Leave a branch out in one call of ten, at inference, too."""

    runs_as = "pixelwise"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed = keras.random.SeedGenerator(1)

    def call(self, x):
        kept = keras.random.uniform((), seed=self.seed) > 0.1
        return x * keras.ops.cast(kept, x.dtype)


@keras.saving.register_keras_serializable("test_compression")
class Noise(layers.Layer):
    """Little noise of another library than Keras, and a level that is forbidden."""

    runs_as = "pixelwise"

    def call(self, x):
        noise = tf.random.uniform(tf.shape(x), -1e-4, 1e-4)
        return x + noise - np.float32([0, 1e9])


@pytest.mark.parametrize("method", code_file.METHODS)
@pytest.mark.parametrize("layer", [DropPath, Noise])
def test_a_model_that_draws_random_numbers_is_refused(method, layer):
    image = keras.Input((4, 4, 1))
    logits = layer()(MaskedConv2D(2, 3, "A")(image))
    model = ImageModel(image, logits, likelihood=Categorical(2))
    with pytest.raises(ValueError, match="the same logits in each call"):
        compress(model, np.zeros((3, 4, 4, 1)), method=method)


@functools.cache
def left_to_right(likelihood, channels=1, width=3):
    """Logits that depend on the pixel to the left, with weights from -1 to 1."""
    image = keras.Input((2, width, channels))
    filters = likelihood.logits_per_pixel(channels)
    out = MaskedConv2D(filters, (1, 3), "A", colors=channels)(image)
    model = ImageModel(image, out, likelihood=likelihood)
    shapes = [w.shape for w in model.get_weights()]
    model.set_weights([np.linspace(-1, 1, math.prod(s)).reshape(s) for s in shapes])
    return model


def by_reciprocal(levels, images):
    return np.round(images * (levels - 1)) * np.float32(1 / (levels - 1))


def by_rescaling(levels, images):
    whole = np.round(images * (levels - 1)).astype("uint8")
    return np.asarray(keras.layers.Rescaling(1 / (levels - 1))(whole))


INEXACT = {
    "k × (1/(levels-1))": by_reciprocal,
    "Rescaling": by_rescaling,
    "1 - (1 - x)": lambda levels, images: 1 - (1 - images),
    "float16": lambda levels, images: images.astype("float16"),
    "float64": lambda levels, images: np.round(images * (levels - 1)) / (levels - 1),
    "-0.0": lambda levels, images: np.where(images == 0, np.float32(-0.0), images),
    "a thousandth of a step": lambda levels, images: np.clip(
        images + np.float32(0.0009 / (levels - 1)), 0, 1
    ),
}


@pytest.mark.parametrize(
    ("levels", "way"),
    [
        (levels, way)
        for levels in (2, 4, 256)
        for way in INEXACT
        # of 256 levels float16 lies up to 0.06 of a step off, and is refused by name
        if (levels, way) != (256, "float16")
    ],
)
def test_images_near_their_levels_come_back_on_the_nearest_ones(levels, way):
    model, exact, data, numbers = exact_images(levels)
    given = INEXACT[way](levels, exact)
    assert compress(model, given) == data
    for read, result in numbers.items():
        np.testing.assert_array_equal(read(model, given), result)


@functools.cache
def exact_images(levels):
    """Return a model, images on the levels, their data, and what functions read."""
    model = left_to_right(Categorical(levels), width=43)
    exact = np.arange(3 * 2 * 43).reshape(3, 2, 43, 1) % levels / np.float32(levels - 1)
    exact = exact.astype("float32")
    data = compress(model, exact)
    again = decompress(model, data)
    assert again.tobytes() == exact.tobytes()  # of 0.0 and -0.0 too
    functions = code_length, evaluation.nats_per_image
    return model, exact, data, {read: read(model, exact) for read in functions}


FILES = {  # written by version 0.1.0
    "binary": "5058434e0102000000c1caeb66040000000200030001020000b3a4de0d00000000ca803cd7"
    "81fd26bbfe80ee15",
    "colors, naive": "5058434e0105000000ffa185bb0400000002000300030400016ba4618a0000000048"
    "e0cf8d87bcaf0d1fadf16b36ca7d6ddec648e4d217f13c",
    "colors": "5058434e01050000000c31778d0400000002000300030400006ba4618a0000000048e0cf8d"
    "87bcaf0d1fadf16b36ca7d6ddec648e4d217f13c",
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_earlier_versions_still_decode_and_are_still_written(name):
    binary = name == "binary"
    likelihood, channels = (Bernoulli(), 1) if binary else (Categorical(4), 3)
    model, levels = left_to_right(likelihood, channels), likelihood.levels
    numbers = np.arange(4 * 2 * 3 * channels) * 7 % 11 % levels
    images = numbers.reshape(4, 2, 3, channels) / np.float32(levels - 1)
    data = bytes.fromhex(FILES[name])
    np.testing.assert_array_equal(decompress(model, data), images.astype("float32"))
    method = "naive" if "naive" in name else "cached"
    assert compress(model, images, method=method) == data


# ------------------------------------------------------------------ choose_values


@pytest.mark.parametrize("case", CASES)
def test_values_are_chosen_with_the_model_s_own_probabilities(case):
    model, count = shared(case), 5
    images, labels = images_of(model, count), labels_of(model, count)
    levels = model.likelihood.levels
    values = np.round(images * (levels - 1)).astype(int)
    values = np.moveaxis(values, 0, -1).reshape(-1, count)
    inputs = [images] if labels is None else [images, labels]
    logits = logits_function(model)(*inputs)
    p = np.asarray(model.likelihood.probabilities(logits, images))
    p = np.moveaxis(p, 0, -2).reshape(-1, count, levels)
    for method in compression.METHODS:
        asked = []

        def know(counts, asked=asked):
            asked.append(counts)
            return values[len(asked) - 1]

        again = choose_values(model, count, know, labels=labels, method=method)
        np.testing.assert_array_equal(again, images)
        # up to rounding: a full pass computes the same numbers in another order
        assert abs(np.array(asked) - quantize(p)).max() <= levels


def test_counts_sum_to_the_total_that_was_asked_for():
    sums = []

    def ask(counts):
        sums.append(counts.sum(axis=1).tolist())
        return np.zeros(2, int)

    choose_values(shared_trivial(), 2, ask, total=100)
    assert sums == [[100, 100]] * 9


def test_random_answers_draw_from_the_model():
    model, rng = shared("binary"), np.random.default_rng(0)

    def draw(counts):
        return (rng.random(len(counts)) >= counts[:, 0] / compression.TOTAL).astype(int)

    ink = choose_values(model, 2000, draw).mean(axis=(0, 3))
    drawn = generation.generate(model, 2000, seed=1, method="fixed_point").mean(
        axis=(0, 3)
    )
    assert abs(ink - drawn).max() < 5 * math.sqrt(2 * 0.25 / 2000)


def test_values_are_asked_for_in_order_where_pixels_do_not_wait_for_each_other():
    # no pixel depends on its own row, so nothing but the order itself forbids a race
    image = keras.Input((6, 40, 1))
    x = StackConv2D(8, 3, "vertical", "A")(image)
    model = ImageModel(image, layers.Conv2D(1, 1)(x), likelihood=Bernoulli())
    randomize(model)
    images = images_of(model, 30)
    for _ in range(3):
        np.testing.assert_array_equal(
            decompress(model, compress(model, images)), images
        )


@pytest.mark.parametrize(
    "answer",
    [
        lambda counts: np.zeros(3, int),
        lambda counts: np.full(len(counts), 2),
        lambda counts: np.full(len(counts), -1),
        lambda counts: np.zeros(len(counts)),
        lambda counts: None,
    ],
)
def test_an_answer_that_is_no_level_is_named(answer):
    for method in compression.METHODS:
        with pytest.raises(ValueError, match=r"integers of shape \(2,\), from 0 to 1"):
            choose_values(shared_trivial(), 2, answer, method=method)


def test_an_error_inside_choose_arrives_as_itself_and_leaves_the_model_usable():
    class Mine(Exception):
        pass

    def fail(counts):
        raise Mine

    model = trivial()
    for method in compression.METHODS:
        with pytest.raises(Mine):
            choose_values(model, 2, fail, method=method)
    images = images_of(model, 2)
    np.testing.assert_array_equal(decompress(model, compress(model, images)), images)


def test_a_run_inside_a_run_of_the_same_model():
    model = left_to_right(Categorical(3))
    images = np.random.default_rng(0).integers(0, 3, (4, 2, 3, 1)) / 2
    alone, inside = compress(model, images), []

    def choose(counts):
        inside.append(compress(model, images))
        return counts.argmax(axis=1)

    likely = choose_values(model, 2, lambda counts: counts.argmax(axis=1))
    np.testing.assert_array_equal(choose_values(model, 2, choose), likely)
    assert set(inside) == {alone}


ONE_THREAD = """
import keras
import numpy as np
import tensorflow as tf
from pixelcnn_edu import generation
from pixelcnn_edu.compression import choose_values, code_length
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli
from pixelcnn_edu.models import ImageModel, logits_function
tf.config.threading.set_inter_op_parallelism_threads(THREADS)
image = keras.Input((2, 2, 1))
model, other = (
    ImageModel(image, MaskedConv2D(1, 3, "A")(image), likelihood=Bernoulli())
    for _ in range(2)
)
images = np.zeros((1, 2, 2, 1), "float32")
logits = logits_function(other)
for call in (lambda: code_length(model, images), lambda: logits(images),
             lambda: generation.generate(other, 1, method="naive")):
    def choose(counts):
        call()
        return counts.argmax(axis=1)
    try:
        choose_values(model, 1, choose)
    except ValueError as error:
        print("REFUSED", error)
    print(choose_values(model, 1, choose, method="naive").shape)
"""


@pytest.mark.parametrize(("threads", "variable"), [("1", "2"), ("0", "1")])
def test_a_run_inside_a_run_that_would_wait_for_ever_is_refused(threads, variable):
    answer = subprocess.run(
        [sys.executable, "-c", ONE_THREAD.replace("THREADS", threads)],
        env=os.environ | {"TF_NUM_INTEROP_THREADS": variable},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr
    told = (
        "REFUSED Expected a function that runs no model, since TensorFlow has 1 thread"
    )
    assert answer.stdout.count(told) == 3
    assert answer.stdout.count("(1, 2, 2, 1)") == 3


# ------------------------------------------------------------------ interruptions


def two_colors():
    """A model that compiles in a fraction of a second, with a pass for each channel."""
    image = keras.Input((1, 2, 2))
    out = MaskedConv2D(2, (1, 3), "A", colors=2)(image)
    model = ImageModel(image, out, likelihood=Bernoulli())
    model.set_weights([np.full(w.shape, 0.7) for w in model.get_weights()])
    return model


def interrupted(function, at=None):
    """Call the function with a KeyboardInterrupt at the ``at``-th call inside it.

    Counted are the functions of this package and of Keras. TensorFlow's own may stay in
    graph mode if they are interrupted while they leave it.

    Returns:
        How many calls were counted.
    """
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        if event != "call":
            return
        if frame.f_globals.get("__name__", "").startswith(("pixelcnn_edu.", "keras.")):
            calls += 1
            if calls == at:
                sys.setprofile(None)
                raise KeyboardInterrupt

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return calls


# an interruption inside a destructor only prints
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
# in one place Keras takes an interrupt for a wrong structure, and goes on
@pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match")
def test_after_an_interrupted_first_call_the_next_one_is_right():
    images = np.random.default_rng(0).integers(0, 2, (3, 1, 2, 2)).astype("float32")
    data = compress(two_colors(), images)
    calls = interrupted(lambda: compress(two_colors(), images))
    moments, parts = random.Random(0), examples(8, 500)
    for part in range(parts):
        model = two_colors()
        at = int((part + moments.random()) / parts * calls) + 1
        try:
            interrupted(lambda: compress(model, images), at)  # noqa: B023
        except KeyboardInterrupt:
            tally("first calls of `compress` interrupted")
        assert compress(model, images) == data, f"interrupted at call {at} of {calls}"
        np.testing.assert_array_equal(decompress(model, data), images)


@pytest.mark.parametrize("method", compression.METHODS)
def test_after_an_interruption_while_values_are_asked_the_next_call_is_right(method):
    model, answers = two_colors(), []

    def choose(counts):
        answers.append(len(counts))
        if len(answers) == 2:
            _thread.interrupt_main()  # what Ctrl-C does
        return np.zeros(len(counts), int)

    def at_rest():
        """Give the interrupt time to arrive: Python looks for it between two steps."""
        threading.Event().wait(1)

    with pytest.raises(KeyboardInterrupt):
        choose_values(model, 3, choose, method=method)
        at_rest()
    images = np.ones((3, 1, 2, 2), "float32")
    np.testing.assert_array_equal(decompress(model, compress(model, images)), images)


def test_new_weights_are_used_at_once_and_a_second_call_compiles_nothing():
    model = trivial()
    images = images_of(model, 4)
    compress(model, images)
    compress(model, images[:3])
    before = code_length(model, images)
    randomize(model, seed=1)
    assert (code_length(model, images) != before).any()
    np.testing.assert_array_equal(decompress(model, compress(model, images)), images)
    loop = _cache.kept(model, CodingLoop, None, model.likelihood)
    assert len(loop.compiled) == 1


def test_a_model_that_is_gone_is_not_kept_and_its_weights_leave_the_memory():
    model = trivial()
    compress(model, images_of(model, 2))
    gone, layer = weakref.ref(model), weakref.ref(model.layers[-1])
    del model
    gc.collect()
    assert gone() is None
    gc.collect()  # TensorFlow's destructors let go of more
    assert layer() is None


# ------------------------------------------------------------------ quantize


@settings(max_examples=examples(60, 2000))
@given(
    weights=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40),
    total=st.integers(40, 2**20),
)
def test_counts_are_at_least_one_sum_to_total_and_lie_close(weights, total):
    if sum(weights) < 1e-6:
        weights[0] = 1.0
    counts = quantize(weights, total)
    p = np.array(weights, float) / sum(map(float, weights))
    assert counts.min() >= 1 and counts.sum() == total
    k = len(weights)
    assert (counts >= np.floor(p * (total - k))).all()
    assert (abs(counts - p * total) <= k + 1).all()
    tally("rows of probabilities turned into counts")


def test_rows_are_turned_into_counts_one_by_one():
    p = np.random.default_rng(0).dirichlet(np.ones(5), (3, 4))
    counts = quantize(p, 100)
    assert counts.shape == p.shape and counts.dtype == np.int64
    for at in np.ndindex(3, 4):
        np.testing.assert_array_equal(counts[at], quantize(p[at], 100))


def test_numbers_whose_sum_overflows_are_turned_into_counts():
    np.testing.assert_array_equal(quantize([1e308, 1e308], 16), [8, 8])
    rows = quantize([[1.5e308, 0.5e308], [0.75, 0.25], [1e-320, 0]], 2**10)
    np.testing.assert_array_equal(rows, [[768, 256], [768, 256], [1023, 1]])


def test_the_largest_total_is_divided_exactly():
    counts = quantize([0.25, 0.75], 2**53)
    assert counts.sum() == 2**53 and abs(int(counts[0]) - 2**51) <= 1


@pytest.mark.parametrize(
    ("p", "total", "words"),
    [
        ([0.5, np.nan], 16, "finite"),
        ([0.5, -0.1], 16, "not negative"),
        ([0.0, 0.0], 16, "not all 0"),
        (0.5, 16, "probabilities"),
        ([0.5, 0.5, 0.5], 2, "total >= 3"),
        ([0.5, 0.5], 1.5, "total"),
        ([0.5, 0.5], 2**63, r"total <= 2\*\*53"),
        ([0.5, 0.5], 2**53 + 1, r"total <= 2\*\*53"),
        ([0.5 + 0.1j, 0.5], 16, "real"),
        (np.array([0.5j, 0.5], object), 16, "real"),
        (["a", "b"], 16, "real"),
        ([[0.5, 0.5], [1.0]], 16, "real"),
    ],
)
def test_what_cannot_become_counts_is_named(p, total, words):
    with pytest.raises(ValueError, match=words):
        quantize(p, total)


# ------------------------------------------------------------------ what is wrong is named


def test_damaged_data_is_named_wherever_it_is_damaged():
    model = shared_trivial()
    data = compress(model, images_of(model, 16))
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 16
        with pytest.raises(ValueError, match="Expected .*Received"):
            decompress(model, bytes(damaged))


def test_data_that_was_cut_or_lengthened_is_named():
    model = shared_trivial()
    data = compress(model, images_of(model, 16))
    for length in range(4, len(data)):
        with pytest.raises(ValueError, match="Expected"):
            decompress(model, data[:length])
    with pytest.raises(ValueError, match=f"Expected {len(data)} bytes.*it was cut"):
        decompress(model, data[:-4])
    with pytest.raises(ValueError, match="something was added"):
        decompress(model, data + b"1234")


FIELDS = ("count", "height", "width", "channels", "levels", "method")


def forged(data, code=None, words=None, **changes):
    """Return the data with other fields, and with checksums that fit them."""
    fields = list(struct.unpack_from("<IHHBHBIII", data, 13))
    for name, value in changes.items():
        fields[FIELDS.index(name)] = value
    code = data[HEADER:] if code is None else code
    rest = struct.pack("<IHHBHBIII", *fields) + code
    words = len(code) // 4 if words is None else words
    return struct.pack("<4sBII", b"PXCN", 1, words, zlib.crc32(rest)) + rest


@functools.cache
def forgeable(kind):
    """Return a model that no test changes, images, labels, and their data."""
    if kind == "labels":
        model = shared("labels")
        images, labels = images_of(model, 6), {"labels": 1}
    else:
        model, labels = left_to_right(Bernoulli()), {}
        images = np.random.default_rng(0).integers(0, 2, (20, 2, 3, 1)).astype("f4")
    return model, images, labels, compress(model, images, **labels)


LARGEST = {
    **{"count": 2**32 - 1, "height": 2**16 - 1, "width": 2**16 - 1},
    **{"channels": 2**8 - 1, "levels": 2**16 - 1, "method": 2**8 - 1},
}


@settings(max_examples=examples(80, 3000))
@given(
    kind=st.sampled_from(["binary", "labels"]),
    changes=st.fixed_dictionaries(
        {},
        optional={
            name: st.integers(0, 3) | st.integers(0, most) | st.just(most)
            for name, most in LARGEST.items()
        },
    ),
    code=st.none() | st.binary(max_size=64).map(lambda b: b[: len(b) // 4 * 4]),
)
def test_forged_data_is_refused_or_decodes_to_the_images(kind, changes, code):
    model, images, labels, data = forgeable(kind)
    try:
        again = decompress(model, forged(data, code, **changes), **labels)
    except ValueError as error:
        assert "Expected" in str(error)
    else:
        np.testing.assert_array_equal(again, images)
    tally("files with forged headers or code")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": 7}, "method from 0 to 1. Received: .* and 7"),
        ({"count": 0}, "all positive"),
        ({"count": 2**32 - 1}, "values as 6 words.* count=4,294,967,295 images"),
        ({"height": 0}, "all positive"),
        ({"height": 2**16 - 1}, "the model's images"),
        ({"levels": 0}, "all positive"),
        ({"levels": 3}, "the model's images"),
        ({"code": b""}, "at most as many values as 0 words"),
        ({"words": 2**32 - 1}, "bytes of data"),
    ],
    ids=str,
)
def test_a_field_out_of_its_range_is_named(changes, words):
    model, _, _, data = forgeable("binary")
    with pytest.raises(ValueError, match=words):
        decompress(model, forged(data, **changes))


def test_more_images_than_the_code_holds_are_noticed_when_the_code_ends():
    # the header alone may be right: of images without ink, a word could hold so many
    model, images, _, data = forgeable("binary")
    asked = []
    count = 1_000_000
    quantized = compression.quantize

    def counting(p, total):
        asked.append(len(p))
        return quantized(p, total)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compression, "quantize", counting)
        with pytest.raises(ValueError, match="does not decode"):
            decompress(model, forged(data, count=count))
    assert sum(asked) < 1000 * len(images)


@pytest.mark.parametrize(
    ("shape", "likelihood", "words"),
    [
        ((1, 2, 300), Bernoulli(), "at most 255 channels.* Received: 300"),
        ((1, 2, 1), Categorical(2**16), "at most 65,535 levels.* Received: 65,536"),
        ((2**16, 1, 1), Bernoulli(), "at most 65,535 rows.* Received: 65,536"),
        ((1, 2**16, 1), Bernoulli(), "at most 65,535 columns.* Received: 65,536"),
    ],
    ids=str,
)
def test_what_the_header_cannot_say_is_named_before_any_work(shape, likelihood, words):
    image = keras.Input(shape)
    out = layers.Conv2D(likelihood.logits_per_pixel(shape[-1]), 1)(image)
    model = ImageModel(image, out, likelihood=likelihood)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compression, "choose_values", None)
        with pytest.raises(ValueError, match=words):
            compress(model, np.zeros((1, *shape)))


def test_every_field_of_the_header_holds_its_largest_value():
    *largest, _ = code_file.LARGEST.values()
    code_file.FIELDS.pack(*largest, 1, 0, 0, 0)
    for field in range(len(largest)):
        fields = [1] * len(largest)
        fields[field] = largest[field]
        code_file.check_that_header_holds(*fields)
        fields[field] += 1
        with pytest.raises(ValueError, match=f"at most {largest[field]:,} "):
            code_file.check_that_header_holds(*fields)
        with pytest.raises(struct.error):
            code_file.FIELDS.pack(*fields, 1, 0, 0, 0)
    with pytest.raises(ValueError, match="at most 4,294,967,295 words of code"):
        code_file.check_that_header_holds(2**20, 2**14, 1, 1, 2)


def test_more_levels_than_counts_are_named_before_any_work(monkeypatch):
    monkeypatch.setattr(compression, "_run_cached", None)
    with pytest.raises(ValueError, match="total >= 256 levels. Received: 255"):
        choose_values(left_to_right(Categorical(256)), 1, None, total=255)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "begins with b'PXCN'"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "begins with b'PXCN'"),
        (b"PXCN\x07" + bytes(100), "version 1"),
        ("PXCN", "bytes. Received: str"),
        (None, "bytes. Received: NoneType"),
    ],
)
def test_other_data_is_named(data, words):
    with pytest.raises(ValueError, match=words):
        decompress(shared_trivial(), data)


def test_a_wrong_model_is_named():
    model = shared("binary")
    data = compress(model, images_of(model, 4))
    weights = model.get_weights()
    weights[0].flat[0] = np.nextafter(weights[0].flat[0], np.float32(9))  # one last bit
    with restored(model):
        model.set_weights(weights)
        with pytest.raises(ValueError, match="Expected the model .*checksum"):
            decompress(model, data)
    for other in (shared_trivial(), left_to_right(Categorical(4))):
        with pytest.raises(ValueError, match=r"Expected data of the model's images"):
            decompress(other, data)


def test_another_architecture_with_the_same_weights_is_named():
    model, other = shared_trivial(), trivial()
    other.layers[-1].activation = keras.activations.tanh
    data = compress(model, images_of(model, 16))
    with pytest.raises(ValueError, match="Expected images of.*architecture is another"):
        decompress(other, data)


def test_wrong_labels_are_named():
    model = shared("labels")
    images, labels = images_of(model, 6), labels_of(model, 6)
    data = compress(model, images, labels=labels)
    with pytest.raises(ValueError, match="Expected the labels .*checksum"):
        decompress(model, data, labels=labels[::-1])
    with pytest.raises(ValueError, match="Expected labels"):
        decompress(model, data)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": np.zeros((2, 4, 4, 1))}, "images of shape"),
        ({"images": np.full((2, 3, 3, 1), 0.5)}, "levels"),
        ({"images": np.zeros((0, 3, 3, 1))}, "at least one image"),
        ({"labels": 1}, "no labels"),
        ({"method": "fixed_point"}, "method"),
        ({"likelihood": 3}, "likelihood"),
    ],
)
def test_bad_arguments_are_named(change, words):
    good = {"model": shared_trivial(), "images": np.zeros((2, 3, 3, 1))}
    for function in (compress, code_length):
        with pytest.raises(ValueError, match=words):
            function(**{**good, **change})


@pytest.mark.parametrize("count", [0, 1.5, None])
def test_a_count_that_is_none_is_named(count):
    with pytest.raises(ValueError, match="count"):
        choose_values(shared_trivial(), count, lambda counts: np.zeros(1, int))


def test_without_constriction_an_error_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(ImportError, match="pip install constriction.*Linux on ARM"):
        compress(shared_trivial(), np.zeros((2, 3, 3, 1)))
    # the probabilities need no coder
    assert code_length(shared_trivial(), np.zeros((2, 3, 3, 1))).shape == (2,)


# ------------------------------------------------------------------ planted bugs


def encode_with(monkeypatch, bug):
    """Let only the encoder run with a bug; return the model, the images and the data."""
    model = shared("binary")
    images = images_of(model, 16)
    with monkeypatch.context() as patch:
        bug(patch)
        data = compress(model, images)
    return model, images, data


def one_pixel_off(patch):
    """The encoder writes each value with the probabilities of the one before."""
    quantized, last = compression.quantize, []

    def late(p, total=compression.TOTAL):
        last.append(quantized(p, total))
        return last[max(0, len(last) - 2)]

    patch.setattr(compression, "quantize", late)


def in_another_order(patch):
    """The encoder goes through the images one by one, column by column."""
    original = compression._in_order

    def columns_first(images, levels):
        return original(np.swapaxes(images, 1, 2), levels)

    patch.setattr(compression, "_in_order", columns_first)


def one_count_more(patch):
    """One of the probabilities is 1/65,536 larger, at one value of one image."""
    quantized, calls = compression.quantize, []

    def nudged(p, total=compression.TOTAL):
        counts = quantized(p, total)
        calls.append(1)
        if len(calls) == 9:
            step = 1 if counts[3, 0] < counts[3, 1] else -1
            counts[3] += [step, -step]
        return counts

    patch.setattr(compression, "quantize", nudged)


@pytest.mark.parametrize("bug", [one_pixel_off, in_another_order, one_count_more])
def test_an_encoder_with_other_probabilities_is_caught(monkeypatch, bug):
    model, images, data = encode_with(monkeypatch, bug)
    with pytest.raises(ValueError, match="Expected images of checksum.*another way"):
        decompress(model, data)
    np.testing.assert_array_equal(decompress(model, compress(model, images)), images)


def test_a_decoder_that_asks_past_the_end_is_caught(monkeypatch):
    model = shared_trivial()
    images = images_of(model, 8)
    data = compress(model, images)
    monkeypatch.setattr(compression, "quantize", lambda p, total: quantize(p[:, ::-1]))
    with pytest.raises(ValueError, match="Expected images of checksum"):
        decompress(model, data)


def test_probabilities_of_a_full_pass_never_give_wrong_images_silently(monkeypatch):
    """The encoder runs the network as a whole, 5 images at a time."""
    model = shared("binary")
    images = images_of(model, 128)
    logits = logits_function(model)
    parts = [np.asarray(logits(images[i : i + 5])) for i in range(0, 128, 5)]
    p = model.likelihood.probabilities(np.concatenate(parts), images)
    tables = [
        quantize(row) for row in np.moveaxis(np.asarray(p), 0, -2).reshape(-1, 128, 2)
    ]
    asked = []
    known = iter(np.moveaxis(images, 0, -1).reshape(-1, 128).astype(int))

    def know(counts):
        asked.append(counts)
        return next(known)

    choose_values(model, 128, know)
    assert (np.array(asked) != np.array(tables)).any()  # nearly the same, not the same
    rest = iter(tables)
    with monkeypatch.context() as patch:
        patch.setattr(compression, "quantize", lambda p, total: next(rest))
        data = compress(model, images)
    with pytest.raises(ValueError, match="Expected images of checksum"):
        decompress(model, data)


def test_weights_that_change_while_images_are_compressed_are_noticed(monkeypatch):
    """The file would hold the probabilities of two networks: nobody could read it."""
    model = shared("binary")
    images = images_of(model, 3)
    changes, answer = iter([True]), compression._answer

    def changing(*inputs):
        if next(changes, False):
            model.set_weights([weight * 1.5 for weight in model.get_weights()])
        return answer(*inputs)

    monkeypatch.setattr(compression, "_answer", changing)
    with restored(model), pytest.raises(ValueError, match="weights that changed"):
        compress(model, images)
    np.testing.assert_array_equal(decompress(model, compress(model, images)), images)


class Half(float, enum.Enum):
    HALF = 0.5


class Through(Categorical):
    """A likelihood of a user with a function, a number and a tuple as arguments."""

    def __init__(self, levels, function, number, pair):
        super().__init__(levels)
        self.function, self.number, self.pair = function, number, pair


def test_arguments_of_a_likelihood_are_the_same_in_every_process():
    model = left_to_right(Categorical(4))
    images = np.zeros((2, 2, 3, 1))
    one = Through(4, lambda x: x, np.float64(0.5), (1, np.arange(3)))
    data = compress(model, images, likelihood=one)
    # as it comes from a saved model: another object, plain numbers, a list; then another
    # way to write the same values
    for same in (
        Through(4, lambda x: x, 0.5, [1, np.arange(3)]),
        Through(4, lambda x: x, Half.HALF, (1, np.arange(3).astype(">i8"))),
    ):
        np.testing.assert_array_equal(decompress(model, data, likelihood=same), images)
    for other in (Through(4, len, 0.25, (1, np.arange(3))), Categorical(4)):
        with pytest.raises(ValueError, match="the model that the data was compressed"):
            decompress(model, data, likelihood=other)
