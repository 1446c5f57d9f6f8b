"""Other right answers pass too, and the right ones agree with Keras and the package."""

import decimal
import itertools
from fractions import Fraction

from pixelcnn_edu import causality, data, evaluation, exercises, fields
from pixelcnn_edu.gated import StackConv2D
from pixelcnn_edu.layers import MaskedConv2D, residual_block
from pixelcnn_edu.likelihoods import Categorical
from pixelcnn_edu.masks import causal_mask
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.models import ImageModel, gated_pixelcnn, pixelcnn

import keras
import numpy as np
import pytest

ALSO_RIGHT = []


def also_right(name):
    """Mark a function as another right answer of an exercise."""

    def mark(function):
        ALSO_RIGHT.append(
            pytest.param(name, function, id=f"{name}-{function.__name__}")
        )
        return function

    return mark


# Notebook 00


also_right("fair_coins")(lambda height, width: [-height * width * np.log(0.5)])
also_right("place")(lambda row, col, width: np.arange(999)[row * width + col])


@also_right("first_ink")
def by_loop(images):
    places = []
    for image in images:
        ink = np.flatnonzero(image)
        places.append(ink[0] if len(ink) else image.size)
    return places


# Notebook 01


@also_right("chain")
def chain_by_tables(joint, x):
    a, b, c = x
    pair = joint.sum(axis=2)
    single = pair.sum(axis=1)
    return np.array([single[a], pair[a, b] / single[a], joint[a, b, c] / pair[a, b]])


@also_right("draw_pixels")
def draw_by_steps(joint, u):
    pair = joint.sum(axis=2)
    x = np.zeros(3, bool)
    x[0] = u[0] < pair[1].sum()
    x[1] = u[1] < pair[int(x[0]), 1] / pair[int(x[0])].sum()
    pixel = joint[int(x[0]), int(x[1])]
    x[2] = u[2] < pixel[1] / pixel.sum()
    return x


# Notebook 02


also_right("live_taps")(lambda k, mask_type: causal_mask(k, mask_type).sum())


@also_right("column_mask")
def column_by_slices(size, mask_type):
    kh, kw = size
    mask = np.zeros(size)
    mask[:, : kw // 2] = 1
    mask[: kh // 2, kw // 2] = 1
    mask[kh // 2, kw // 2] = mask_type == "B"
    return mask


@also_right("order_mask")
def order_by_loops(order, row, col, size):
    half = size // 2
    mask = np.zeros((size, size), bool)
    for dy in range(-half, half + 1):
        for dx in range(-half, half + 1):
            y, x = row + dy, col + dx
            if 0 <= y < order.shape[0] and 0 <= x < order.shape[1]:
                mask[dy + half, dx + half] = order[y, x] < order[row, col]
    return mask


# Notebook 04


def weights_of_a_block(filters):
    return 13 * (filters // 2) ** 2 + 8 * (filters // 2)


also_right("block_weights")(weights_of_a_block)


@also_right("residual_block")
def block_of_the_package(x):
    return residual_block(x, x.shape[-1])


@also_right("residual_block")
def block_with_relu_and_dense(x):
    y = keras.layers.Dense(x.shape[-1] // 2)(keras.layers.ReLU()(x))
    y = MaskedConv2D(x.shape[-1] // 2, 3)(keras.layers.ReLU()(y))
    return keras.layers.Dense(x.shape[-1])(keras.layers.ReLU()(y)) + x


@also_right("prelu_gradients")
def gradients_by_tape(x, slope, upstream):
    import tensorflow as tf

    x, slope = tf.constant(x), tf.constant(slope)
    with tf.GradientTape() as tape:
        tape.watch([x, slope])
        loss = tf.reduce_sum(upstream * (tf.nn.relu(x) - slope * tf.nn.relu(-x)))
    return tuple(tape.gradient(loss, [x, slope]))


def test_the_numbers_of_the_seed_post():
    shared = pixelcnn(filters=128, depth=6).count_params()
    assert shared == 6400 + 6 * weights_of_a_block(128) + 2 * (128**2 + 128) + 384 + 129
    assert shared == 362_497
    slopes = 6 * (128 + 64 + 64) + 3 * 128
    assert slopes == 1_920
    assert slopes * 784 == 1_505_280
    assert shared + 783 * slopes == 1_865_857


# Notebook 03


@also_right("output_side")
def side_by_counting(side, kernel_size, stride, padding):
    last = side if padding == "same" else side - kernel_size + 1
    return np.int64(len(range(0, last, stride)))


@also_right("first_leak")
def leak_by_nan(f, shape):
    size = shape[0] * shape[1]
    image = np.random.default_rng(1).normal(size=size)
    reached = np.zeros((size, size), bool)
    for j in range(size):
        poisoned = image.copy()
        poisoned[j] = np.nan
        reached[:, j] = np.isnan(f(poisoned.reshape(1, *shape, 1))).ravel()
    leaks = np.argwhere(np.triu(reached))
    return leaks[0] if len(leaks) else None


@also_right("live_taps_only")
def pixel_by_pixel(images, kernel, bias):
    count, height, width, _ = images.shape
    kh, kw = kernel.shape[:2]
    out = np.tile(bias, (count, height, width, 1)).astype("float32")
    for row, col in np.ndindex(height, width):
        for u, v in np.ndindex(kh, kw):
            y, x = row + u - kh // 2, col + v - kw // 2
            if (y, x) < (row, col) and y >= 0 and 0 <= x < width:
                out[:, row, col] += images[:, y, x] @ kernel[u, v]
    return out


# Notebook 05


def sums(first, second):
    return {(r1 + r2, c1 + c2) for r1, c1 in first for r2, c2 in second}


def taps(size, mask_type):
    mask = causal_mask(size, mask_type)[:, :, 0, 0]
    return [tuple(tap - size // 2) for tap in np.argwhere(mask)]


@also_right("two_layers")
def sums_by_loop(first, second):
    return [np.add(a, b) for a, b in itertools.product(first, second)]


@also_right("seen")
def seen_by_growing_an_array(n):
    page = np.zeros((28, 28), bool)
    page[14, 14] = True
    for offsets in [taps(3, "B")] * n + [taps(7, "A")]:
        padded = np.pad(page, 3)
        page = np.any([np.roll(padded, o, (0, 1))[3:-3, 3:-3] for o in offsets], axis=0)
    return np.int64(page.sum())


def test_the_published_counts():
    seen, share = exercises.seen.right, exercises.blind_share.right
    assert [seen(n) for n in (5, 7, 10, 11, 12)] == [129, 192, 309, 351, 351]
    assert seen(10, masks="AA") == 244
    assert [seen(n, first=3) for n in (5, 10, 13, 14)] == [69, 209, 328, 328]
    assert share(28, 28, 3) == pytest.approx(0.221, abs=5e-4)
    assert share(28, 28, 7) == pytest.approx(0.180, abs=5e-4)


# Notebook 06


also_right("to_bits")(lambda nats, shape: np.float32(nats / np.prod(shape)) / np.log(2))


@also_right("lowest_crossentropy")
def floor_by_clipping(images):
    p = np.clip(images, 1e-7, 1 - 1e-7)
    return -(images * np.log(p) + (1 - images) * np.log(1 - p)).sum(axis=(1, 2, 3))


@also_right("level_nats")
def level_nats_by_the_package(logits, levels):
    count = logits.shape[-1]
    images = (levels / (count - 1)).astype("float32")[None, ..., None]
    return -Categorical(count).log_prob(logits[None], images)[0]


# Notebook 08


@also_right("stop_epoch")
def stop_like_keras(val_loss, patience):
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=patience)
    stopping.set_model(keras.Sequential())
    stopping.model.optimizer = None
    stopping.model.compile("sgd", "mse")
    stopping.on_train_begin()
    for epoch, value in enumerate(val_loss):
        stopping.on_epoch_end(epoch, {"val_loss": value})
        if stopping.model.stop_training:
            return epoch + 1
    return len(val_loss)


@also_right("paired_difference")
def paired_by_hand(a, b):
    differences = [x - y for x, y in zip(a, b, strict=True)]
    mean = sum(differences) / len(differences)
    variance = sum((d - mean) ** 2 for d in differences) / len(differences)
    return [mean, (variance / len(differences)) ** 0.5]


# Notebook 07


@also_right("evaluate")
def evaluate_by_hand(model, images):
    x = data.binarize(images)
    p = 1 / (1 + np.exp(-model.predict(x, verbose=0).astype("float64")))
    nats = -np.log(np.where(x == 1, p, 1 - p)).sum(axis=(1, 2, 3))
    return np.array([nats.mean(), nats.std(ddof=1) / len(nats) ** 0.5])


@also_right("adam")
def adam_of_keras(gradients, rate, beta_1, beta_2):
    weight, path = keras.Variable(0.0), []
    optimizer = keras.optimizers.Adam(rate, beta_1=beta_1, beta_2=beta_2)
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weight])
        path.append(weight.numpy())
    return path


# Notebook 09


@also_right("temper")
def temper_by_powers(p, temperature):
    ink, paper = p ** (1 / temperature), (1 - p) ** (1 / temperature)
    return (ink / (ink + paper)).astype("float32")


@also_right("draw")
def draw_by_fixed_point(probs, u):
    images, previous = np.zeros(u.shape, bool), None
    while previous is None or (images != previous).any():
        previous, images = images, u < probs(images)
    return images


# Notebook 10


@also_right("most_rounds")
def simulated_rounds(n, back):
    """The fixed point of a chain in which every value copies one, so nothing is easy."""
    values, rounds = np.zeros(n), 0
    while not values.all():
        values = np.append(np.ones(back), values)[:n]
        rounds += 1
    return rounds


@also_right("next_output")
def next_in_plain_loops(kernels, windows):
    value = sum(w * k for w, k in zip(windows[0], kernels[0], strict=True))
    kept = [windows[0]]
    for kernel, window in zip(kernels[1:], windows[1:], strict=True):
        inputs = [*window, value if value > 0 else 0]
        kept.append(inputs[1:])
        value = sum(i * k for i, k in zip(inputs, kernel, strict=True))
    return value, tuple(kept)


# Notebook 11


@also_right("exact_conditional")
def enumerated_by_bits(probs, image, known):
    holes = np.argwhere(~known)
    total, ink = 0, np.zeros(known.shape)
    for number in range(2 ** len(holes)):
        x = image.copy()
        for bit, (row, col) in enumerate(holes):
            x[row, col] = number >> bit & 1
        p = probs(x[None])[0]
        weight = np.prod(x * p + (1 - x) * (1 - p))
        total, ink = total + weight, ink + weight * x[..., 0]
    return (ink / total)[..., None]


@also_right("particle_weights")
def weights_in_float32(probs, images, known):
    p = probs(images)[..., 0]
    logs = np.log(np.where(images[..., 0] == 1, p, 1 - p))[:, known].sum(axis=1)
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    return weights.astype("float32"), np.float32(1 / (weights**2).sum())


# Notebook 12


@also_right("stack_taps")
def taps_of_the_package(size, mask_type):
    return [
        int(np.prod(StackConv2D(1, size, stack, mask_type).kernel_size))
        for stack in ("vertical", "horizontal")
    ]


@also_right("seen_by_two")
def by_the_package(n):
    return fields.seen((28, 28), (14, 14), further=n, gated=True).sum()


def test_the_counts_of_two_stacks_are_those_of_a_network():
    count = exercises.seen_by_two.right
    counts = [count(n) for n in (0, 5, 8, 11, 12)]
    assert counts == [24, 144, 264, 406, 406]
    keras.utils.set_random_seed(0)
    for n in (1, 5):
        network = gated_pixelcnn(filters=4, depth=n)
        seen = causality.receptive_field(network, 14, 14).sum()
        assert seen == count(n)


def shifted(activation, *, residual=False, back=False, left=1):
    """A layer in plain Keras layers, with kernels that padding cuts."""
    pad, convolution = keras.layers.ZeroPadding2D, keras.layers.Conv2D

    def layer(vertical, horizontal, filters, first):
        height, width = vertical.shape[1:3]
        if back and not first:
            vertical = keras.layers.add([vertical, horizontal])
        v = convolution(filters, (2, 3))(pad(((1, 0), (1, 1)))(vertical))
        down = pad(((1, 0), (0, 0)))(v)[:, :height]
        h = pad(((0, 0), (left, 0)))(horizontal)
        h = convolution(filters, (1, left + 1 - first))(h)
        h = h[:, :, :width] + convolution(filters, 1)(down)
        v, h = activation(v), activation(h)
        return v, keras.layers.add([horizontal, h]) if residual and not first else h

    return layer


RELU, LEAKY = keras.layers.ReLU, keras.layers.LeakyReLU
also_right("shifted_layer")(shifted(lambda x: RELU()(x)))
also_right("shifted_layer")(shifted(lambda x: RELU()(x), back=True))
also_right("shifted_layer")(shifted(lambda x: LEAKY()(x), left=2))
also_right("shifted_layer")(shifted(keras.ops.sigmoid))


def test_a_rectified_layer_without_its_shift_is_refused():
    def layer(vertical, horizontal, filters, first):
        v = RELU()(StackConv2D(filters, 3, "vertical", "B")(vertical))
        h = StackConv2D(filters, 3, "horizontal", "A" if first else "B")(horizontal)
        return v, RELU()(h + keras.layers.Conv2D(filters, 1)(v))

    assert "the shift is missing" in exercises.shifted_layer(layer).text


# Notebook 13


@also_right("gate_gradients")
def gate_gradients_by_tape(a, b):
    import tensorflow as tf

    a, b = tf.constant(a), tf.constant(b)
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        total = tf.reduce_sum(tf.tanh(a) * tf.sigmoid(b))
    return tape.gradient(total, [a, b])


# Notebook 14


@also_right("cosine_rate")
def rate_like_keras(step, steps, peak, warmup):
    schedule = keras.optimizers.schedules.CosineDecay(
        peak / 10 if warmup else peak,
        steps - warmup,
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )
    return schedule(step)


# Notebook 15


@also_right("center_tap")
def tap_of_the_package(mask_type, filters):
    channels = {"in_channels": filters, "out_channels": filters, "colors": 3}
    return causal_mask(1, mask_type, **channels)[0, 0]


@also_right("two_prices")
def prices_from_the_joint_table(ink, paper, q):
    """Both prices from the whole table of 4³ colors, without knowing the trick."""
    joint = np.zeros((4, 4, 4))
    joint[tuple(ink)], joint[tuple(paper)] = q, 1 - q

    def entropy(p):
        p = p[p > 0]
        return -np.sum(p * np.log(p))

    axes = [(1, 2), (0, 2), (0, 1)]
    return entropy(joint), sum(entropy(joint.sum(axis=other)) for other in axes)


def test_the_average_number_of_channels_that_differ_is_16_7():
    colors = np.stack(np.unravel_index(np.arange(64), (4, 4, 4)), axis=-1)
    differ = (colors[:, None] != colors).sum(axis=-1)
    assert differ.sum() / (64 * 63) == pytest.approx(16 / 7)


def in_turns_by_slices(logits, levels):
    return np.stack([logits[..., color::3] for color in range(3)], axis=-2)


def in_thirds(logits, levels):
    return np.reshape(logits, (*logits.shape[:-1], 3, levels))


def test_other_layout_accepts_another_reading():
    tap, _ = exercises.other_layout.right
    verdict = exercises.other_layout((tap, in_turns_by_slices))
    assert verdict.passed, verdict.text


def test_a_blank_in_one_of_the_two_functions_is_not_yet():
    tap, reading = exercises.other_layout.right
    for pair in ((..., reading), (tap, ...), (tap, lambda *a: ...), [..., ...]):
        assert exercises.other_layout(pair).status == "not yet"


def test_the_reading_in_thirds_is_that_of_the_package():
    logits = np.random.default_rng(0).normal(size=(2, 3, 3, 12)).astype("float32")
    image = np.zeros((2, 3, 3, 3), "float32")
    package = Categorical(4).probabilities(logits, image)
    exp = np.exp(in_thirds(logits, 4))
    assert np.allclose(package, exp / exp.sum(axis=-1, keepdims=True), atol=1e-6)


# Notebook 16


@also_right("reading")
def a_softmax_in_float32(log_p, prior):
    log_p, prior = np.float32(log_p), np.float32(prior)
    joint = np.log(prior) + np.cumsum(np.vstack([0 * log_p[:1], log_p]), axis=0)
    return keras.ops.convert_to_numpy(keras.ops.softmax(joint))


@also_right("posterior")
def posterior_by_softmax(log_p, prior):
    return np.asarray(keras.ops.softmax(log_p + np.log(prior), axis=1))


@also_right("mixture_nats")
def mixture_by_bayes(log_p, prior):
    """-log p(x) = -log p(x | y) - log p(y) + log p(y | x), for any label y."""
    first = np.log(posterior_by_softmax(log_p, prior)[:, 1])
    return -log_p[:, 1] - np.log(prior[1]) + first


@also_right("reading")
def read_one_by_one(log_p, prior):
    """The posterior so far is the prior of the next pixel."""
    so_far = np.log(prior)
    rows = [so_far]
    for pixel in log_p:
        so_far = so_far + pixel
        so_far = so_far - np.logaddexp.reduce(so_far)
        rows.append(so_far)
    return np.exp(rows)


# Notebook 17


def test_the_package_agrees_in_float32():
    for level, levels, mean, scale in ((0, 4, -0.2, 0.3), (100, 256, -0.2, 0.05)):
        exact = exercises.bin_probability.right(level, levels, mean, scale)
        logits = np.float32([[0, mean, np.log(scale)]])
        p = DiscretizedLogisticMixture(1, levels).probabilities(
            logits, np.zeros((1, 1), "float32")
        )
        assert float(np.asarray(p)[0, 0, level]) == pytest.approx(exact, 1e-4)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        (
            "level_nats",
            lambda z, k: -np.log(np.take_along_axis(z, k[..., None], -1)).sum(),
        ),
        ("lowest_crossentropy", lambda x: -np.log(x - 1).sum(axis=(1, 2, 3))),
        ("surprise", lambda z, x: np.sqrt(-(z**2)).sum(axis=(1, 2, 3))),
    ],
)
def test_a_nan_is_blamed_on_a_0_or_on_overflow_only_where_they_occur(name, answer):
    exercise = getattr(exercises, name)
    assert exercise(answer).text.startswith(f"Not right: {exercise.otherwise}")


@pytest.mark.parametrize("upper", [-300.0, -3.0, 0.4, 20.0, 300.0])
def test_the_logarithm_of_a_bin_is_exact_to_many_decimals(upper):
    decimal.getcontext().prec = 400
    a, b = decimal.Decimal(upper), decimal.Decimal(upper - 1)
    difference = 1 / (1 + (-a).exp()) - 1 / (1 + (-b).exp())
    ours = exercises.log_bin.right(np.array([upper]), np.array([upper - 1]))[0]
    assert ours == pytest.approx(float(difference.ln()))


def test_the_mixture_over_colors_is_that_of_the_package():
    rng = np.random.default_rng(0)
    for levels in (2, 4, 256):
        logits = rng.normal(0, 1, 30)
        for color in ((0, 1, levels - 1), (1, 1, 0)):
            ours = exercises.color_log_prob.right(logits, color, levels)
            image = np.float32([[[np.array(color) / (levels - 1)]]])
            batch = np.float32(logits).reshape(1, 1, 1, -1)
            theirs = DiscretizedLogisticMixture(3, levels).log_prob(batch, image)[0]
            assert ours == pytest.approx(float(theirs), 1e-4)


# Notebook 18


def test_the_bits_of_a_padded_network_are_those_of_the_one_inside():
    keras.utils.set_random_seed(0)
    inside = pixelcnn((4, 5, 1), filters=4, depth=1)
    image = keras.Input((8, 9, 1))
    frame = np.pad(np.zeros((4, 5)), 2, constant_values=-50)[..., None]
    logits = inside(keras.layers.Cropping2D(2)(image))
    logits = keras.layers.ZeroPadding2D(2)(logits) + frame.astype("float32")
    outside = ImageModel(image, logits, likelihood=inside.likelihood)
    images = (np.random.default_rng(0).random((6, 4, 5, 1)) < 0.5).astype("float32")
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    reported = evaluation.bits_per_dim(outside, padded)
    bits = exercises.unpadded_bits.right(reported, (8, 9, 1), (4, 5, 1))
    assert np.allclose(bits, evaluation.bits_per_dim(inside, images), atol=1e-6)


def test_pooling_gives_what_the_package_gives_for_all_digits_at_once():
    nats = np.random.default_rng(0).normal(85, 20, 50)
    parts = np.split(nats, [7, 8, 31])
    sizes = np.array([len(part) for part in parts])
    means = np.array([part.mean() for part in parts])
    spreads = np.array([part.std() for part in parts])
    result = exercises.pooled.right(sizes, means, spreads)
    assert np.allclose(result, evaluation.mean_and_standard_error(nats))


@also_right("surprise")
def in_bits_from_the_two_costs(logits, images):
    """The variance as a mean of squares, in another unit, which cancels."""
    costs = [np.logaddexp(0, sign * logits) / np.log(2) for sign in (1, -1)]
    chances = [np.exp(-np.logaddexp(0, sign * logits)) for sign in (1, -1)]
    mean = chances[0] * costs[0] + chances[1] * costs[1]  # paper, ink
    square = sum(p * (cost - mean) ** 2 for p, cost in zip(chances, costs, strict=True))
    paid = np.where(images > 0, costs[1], costs[0])
    every = (1, 2, 3)
    return (paid - mean).sum(every) / square.sum(every) ** 0.5


def test_surprise_has_mean_0_and_deviation_1_for_images_that_the_network_draws():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 4, 5, 1))
    images = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype("float64")
    scores = exercises.surprise.right(logits, images)
    assert abs(scores.mean()) < 4 / 4000**0.5
    assert abs(scores.std() - 1) < 0.05
    inverted = exercises.surprise.right(logits, 1 - images)  # the planted stranger
    assert inverted.mean() > 3


# Notebook 19


@also_right("interval")
def part_from_an_array_of_edges(p, symbol, low, width):
    edges = low + width * np.cumsum([0, *p])
    return [edges[symbol], edges[symbol + 1] - edges[symbol]]


@also_right("whole_counts")
def counts_of_a_scaled_copy(p, total):
    p = p / p.sum()
    counts = 1 + np.floor(p * (total - len(p)))
    counts[p.argmax()] += total - counts.sum()
    return counts


@also_right("decode_stream")
def decoded_by_whole_intervals(bits, model, count):
    """Bit by bit: which symbols do both ends of the interval agree on?"""
    symbols, read = [], []
    for used in range(len(bits) + 30):
        head = [*bits, *[0] * used][:used]
        start = sum((Fraction(bit, 2**i) for i, bit in enumerate(head, 1)), Fraction(0))
        ends = (start, start + Fraction(1, 2**used) - Fraction(1, 2**200))
        agreed = []
        for first, last in zip(*(by_the_point(end, model, count) for end in ends)):  # noqa: B905
            if first != last:
                break
            agreed.append(first)
        read += [used] * (len(agreed) - len(read))
        symbols = agreed
        if len(symbols) == count:
            break
    return np.array(symbols), np.array(read)


def by_the_point(number, model, count):
    """The symbols in whose parts a number lies."""
    low, width, symbols = Fraction(0), Fraction(1), []
    for _ in range(count):
        edges = [
            low + width * edge
            for edge in itertools.accumulate(model(symbols), initial=0)
        ]
        s = max(s for s, edge in enumerate(edges[:-1]) if edge <= number)
        low, width = edges[s], edges[s + 1] - edges[s]
        symbols.append(s)
    return symbols


# The end


@pytest.mark.parametrize(("name", "answer"), ALSO_RIGHT)
def test_another_right_answer_passes(name, answer):
    verdict = getattr(exercises, name)(answer)
    assert verdict.passed, verdict.text


# Answers that are right on most cases


def clipped(p, x):
    return -np.log(np.maximum(np.where(x == 1, p, 1 - p), 1e-7)).sum()


def without_the_last_image(model, images):
    nats = evaluation.nats_per_image(model, data.binarize(images, seed=0))
    return evaluation.mean_and_standard_error(nats[:-1])


def for_two_channels(probs, u):
    return exercises.draw.right(
        probs, u, places=lambda u: np.ndindex(*u.shape[1:3], min(2, u.shape[3]))
    )


def rounded_down_for_even_kernels(side, kernel_size, stride, padding):
    if padding == "same" and kernel_size % 2 == 0:
        return max(1, side // stride)
    return exercises.output_side.right(side, kernel_size, stride, padding)


def ink_where_u_is_its_probability(probs, u):
    return exercises.draw.right(probs, u, rule=lambda p, u, at: u[at] <= p[at])


def from_clipped_probabilities(logits, images):
    p = np.clip(1 / (1 + np.exp(-logits)), 1e-12, 1 - 1e-12)
    paid = -np.where(images == 1, np.log(p), np.log(1 - p))
    expected = -(p * np.log(p) + (1 - p) * np.log(1 - p))
    variance = (p * (1 - p) * logits**2).sum((1, 2, 3))
    return (paid - expected).sum((1, 2, 3)) / np.sqrt(variance)


def from_float32_probabilities(model, images):
    drawn = data.binarize(images, seed=0)
    p = 1 / (1 + np.exp(-np.asarray(model(drawn))))
    nats = -np.log(np.where(drawn == 1, p, 1 - p)).sum(axis=(1, 2, 3))
    return nats.mean(), nats.std() / len(nats) ** 0.5


def bells_added(logits, color, levels):
    inner = exercises.color_log_prob.right
    return np.log(np.exp(inner(logits, color, levels)))


def without_the_last_output(f, shape):
    rng, size = np.random.default_rng(0), shape[0] * shape[1]
    image = rng.random(size)
    for output in range(size - 1):
        for source in range(output, size):
            changed = np.where(np.arange(size) == source, rng.random(), image)
            outs = f(np.reshape([image, changed], (2, *shape, 1))).reshape(2, size)
            if outs[0, output] != outs[1, output]:
                return output, source
    return None


def less_the_pixel_s_maximum(log_p, prior):
    joint, rows = np.log(prior), [prior]
    for pixel in log_p:
        joint = joint + pixel
        p = np.exp(joint - pixel.max())
        rows.append(p / p.sum())
    return np.array(rows)


def first_and_last_symbol(bits, model, count):
    return exercises.decode_stream.right(
        bits, lambda symbols: model(symbols[:1] + symbols[1:][-1:]), count
    )


def six_filters(vertical, horizontal, filters, first):
    return exercises.shifted_layer.right(vertical, horizontal, 6, first)


def rows_taken_for_images(logits, levels):
    count, height, width, _ = logits.shape
    logits = logits.reshape(height, count, width, levels, 3)
    return logits.swapaxes(-1, -2)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("image_nats", clipped),
        ("evaluate", without_the_last_image),
        ("draw", ink_where_u_is_its_probability),
        ("draw", for_two_channels),
        ("output_side", rounded_down_for_even_kernels),
        ("surprise", from_clipped_probabilities),
        ("evaluate", from_float32_probabilities),
        ("color_log_prob", bells_added),
        ("first_leak", without_the_last_output),
        ("reading", less_the_pixel_s_maximum),
        ("decode_stream", first_and_last_symbol),
        ("shifted_layer", six_filters),
        ("other_layout", (exercises.other_layout.right[0], rows_taken_for_images)),
    ],
)
def test_an_answer_that_is_right_on_most_cases_is_wrong(name, answer):
    said = getattr(exercises, name)(answer).text
    assert said.startswith("Not right"), said
