"""The gated network: two stacks, cropped kernels, every earlier pixel, labels."""

from pixelcnn_edu import causality
from pixelcnn_edu.gated import Gate, StackConv2D, gated_block
from pixelcnn_edu.models import gated_pixelcnn, logits_function, pixelcnn

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_evaluation import random_model, randomize
from test_layers import convolve

PLAIN = {"filters": 6, "depth": 1}
FEATURES = keras.KerasTensor((None, 4, 4, 4))


def seen(stack, mask_type, kernel_size, **more):
    """Which offsets (rows down, columns right) of its center a layer reads."""
    more["kernel_initializer"] = "ones"
    layer = StackConv2D(1, kernel_size, stack, mask_type, **more)
    picture = np.zeros((9, 9, 9, 9), "float32")
    picture[
        np.arange(9)[:, None], np.arange(9), np.arange(9)[:, None], np.arange(9)
    ] = 1
    answer = np.asarray(layer(picture.reshape(81, 9, 9, 1)))[:, 4, 4, 0]
    return {(i // 9 - 4, i % 9 - 4) for i in np.flatnonzero(answer)}


def test_each_kernel_reads_the_pixels_that_its_drawing_shows():
    above = {(-1, -1), (-1, 0), (-1, 1)}
    assert seen("vertical", "A", 3) == above
    assert seen("vertical", "B", 3) == above | {(0, -1), (0, 0), (0, 1)}
    assert seen("horizontal", "A", 3) == {(0, -1)}
    assert seen("horizontal", "B", 3) == {(0, -1), (0, 0)}
    assert len(seen("vertical", "A", 7)) == 3 * 7
    assert seen("horizontal", "A", (3, 7)) == {(0, -3), (0, -2), (0, -1)}


@pytest.mark.parametrize("step", [2, 3, 4])
@pytest.mark.parametrize("stack", ["vertical", "horizontal"])
def test_a_dilated_kernel_reads_the_same_offsets_times_its_step(stack, step):
    near = seen(stack, "B", 3)
    assert seen(stack, "B", 3, dilation_rate=step) == {
        (step * down, step * right) for down, right in near
    }


@pytest.mark.parametrize("stack", ["vertical", "horizontal"])
@pytest.mark.parametrize(("mask_type", "step"), [("A", 1), ("B", 1), ("B", 2)])
def test_a_cropped_kernel_equals_the_whole_one_with_zeros(stack, mask_type, step):
    rng = np.random.default_rng(0)
    images = rng.random((2, 6, 5, 2), dtype="float32")
    layer = StackConv2D(4, 5, stack, mask_type, dilation_rate=step)
    layer.build(images.shape)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    kernel, bias = layer.get_weights()
    whole = np.zeros((4 * step + 1, 4 * step + 1, 2, 4))
    top, left = 2 * step + layer.origin[0], 2 * step + layer.origin[1]
    rows, columns = (step * np.arange(size) for size in kernel.shape[:2])
    whole[np.ix_(top + rows, left + columns)] = kernel
    np.testing.assert_allclose(layer(images), convolve(images, whole, bias), atol=1e-4)
    assert (kernel != 0).all()  # no weight is multiplied by zero


def test_the_gate_is_tanh_times_sigmoid_of_each_group_s_halves():
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 12)).astype("float32")
    by_hand = np.tanh(x[..., :6]) / (1 + np.exp(-x[..., 6:]))
    np.testing.assert_allclose(Gate()(x), by_hand, rtol=1e-5)
    groups = [np.asarray(Gate()(x[..., i : i + 4])) for i in (0, 4, 8)]
    np.testing.assert_allclose(Gate(3)(x), np.concatenate(groups, -1), rtol=1e-6)
    with pytest.raises(ValueError, match="divisible by 8"):
        Gate(4)(x)


@pytest.mark.parametrize("colors", [1, 3])
def test_the_gate_of_16_bits_is_the_gate_of_32_rounded_once(colors):
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 24)).astype("float32")
    x = keras.ops.cast(x, "bfloat16")
    gated = Gate(colors, dtype="mixed_bfloat16")(x)
    assert gated.dtype == "bfloat16"
    precise = Gate(colors)(keras.ops.cast(x, "float32"))
    rounded = keras.ops.cast(precise, "bfloat16")
    np.testing.assert_array_equal(*(np.asarray(y, "float32") for y in (gated, rounded)))
    first, second = keras.ops.split(
        x, 2, axis=-1
    )  # the planted bug: rounded on the way
    bug = keras.ops.tanh(first) * keras.ops.sigmoid(second)
    assert colors > 1 or (np.asarray(bug != rounded)).any()


def test_no_pixel_is_blind_to_an_earlier_one():
    keras.utils.set_random_seed(0)
    small = gated_pixelcnn((11, 11, 1), filters=4, depth=4)
    field = causality.receptive_field(small, 5, 5, images=8)
    assert field.sum() == 60  # PixelCNN: 50
    whole = gated_pixelcnn(filters=4, depth=12)
    field = causality.receptive_field(whole, 14, 14, images=8)
    assert field.sum() == 406  # the same pixel with masked convolutions: 351
    assert field.ravel()[:406].all()


def test_four_dilated_blocks_see_what_fifteen_of_step_1_do():
    for depth, dilations in ((4, (1, 2, 4, 8)), (15, (1,))):
        keras.utils.set_random_seed(0)
        model = gated_pixelcnn(filters=4, depth=depth, dilations=dilations)
        field = causality.receptive_field(model, 20, 20, images=8)
        rows, cols = np.indices((28, 28))
        # 3 + 15 rows up and as many columns to the left; to the right all there are
        above = (rows < 20) & (rows >= 20 - 18)
        left = (rows == 20) & (cols < 20) & (cols >= 20 - 18)
        near = abs(cols - 20) <= 18
        np.testing.assert_array_equal(field, (above & near) | left)


@pytest.mark.parametrize(
    "arguments",
    [
        {"image_shape": (5, 4, 1)},
        {"image_shape": (1, 1, 1)},
        {"image_shape": (1, 6, 1)},
        {"image_shape": (3, 3, 3)},
        {"image_shape": (3, 3, 3), "colors": 1},
        {"image_shape": (4, 4, 1), "dilations": (2,)},
        {"image_shape": (4, 4, 1), "position": True, "num_classes": 3},
        {"image_shape": (4, 4, 1), "num_classes": 3, "label_map": 2, "dropout": 0.5},
    ],
    ids=str,
)
def test_gated_models_are_causal_and_see_all_that_they_may(arguments):
    model = random_model(builder=gated_pixelcnn, seed=1, **arguments)
    matrix = causality.dependency_matrix(model, trials=8)
    shape = arguments["image_shape"]
    earlier = np.tri(np.prod(shape), k=-1, dtype=bool)
    if arguments.get("colors") == 1:  # channels of one pixel do not see each other
        pixel = np.arange(np.prod(shape)) // shape[-1]
        earlier &= pixel[:, None] != pixel
    assert not (matrix & ~earlier).any()
    if shape[1] <= 4:  # three pixels to the left, and one more
        np.testing.assert_array_equal(matrix, earlier)


def test_a_later_block_refuses_the_image_which_its_sum_would_leak():
    image, features = keras.Input((5, 5, 1)), keras.Input((5, 5, 4))
    for horizontal in (image, keras.Input((5, 5, 3)), keras.Input((5, 5, 8))):
        with pytest.raises(ValueError, match="horizontal with filters=4 channels"):
            gated_block(features, horizontal, 4)
    spread = keras.layers.add([image, gated_block(image, image, 4, 3, "A")[1]])
    leak = causality.first_leak(keras.Model(image, keras.layers.Conv2D(1, 1)(spread)))
    assert leak == ((0, 0, 0), (0, 0, 0))  # what the refusal keeps out


def test_labels_change_every_pixel_and_the_model_knows_their_number():
    model = random_model((4, 4, 1), builder=gated_pixelcnn, num_classes=3)
    assert model.num_classes == 3
    images = np.random.default_rng(0).integers(0, 2, (1, 4, 4, 1)).astype("float32")
    logits = logits_function(model)
    answers = [logits(images, np.array([label])) for label in range(3)]
    assert (answers[0] != answers[1]).all() and (answers[1] != answers[2]).all()


def test_a_label_map_can_say_where():
    image = np.zeros((2, 5, 5, 1), "float32")
    for label_map in (0, 2):
        model = random_model(
            (5, 5, 1), builder=gated_pixelcnn, num_classes=2, label_map=label_map
        )
        for layer in model.layers:
            if isinstance(layer, StackConv2D):  # no pixel hears of another, or of edges
                layer.set_weights([0 * w for w in layer.get_weights()])
        logits = np.asarray(model([image, np.arange(2)]))
        varies = np.ptp(logits, axis=(1, 2)) > 1e-3
        assert (varies == (label_map > 0)).all()


@pytest.mark.parametrize("builder", [pixelcnn, gated_pixelcnn])
def test_green_sees_red_of_its_pixel_and_never_blue(builder):
    model = random_model((2, 3, 3), builder=builder)
    matrix = causality.dependency_matrix(model, trials=8).reshape(6, 3, 6, 3)
    own = matrix[np.arange(6), :, np.arange(6), :]  # (pixel, output, input)
    assert (own == np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0]], bool)).all()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: StackConv2D(4, 3, "vertical", "C"), "'C'"),
        (lambda: StackConv2D(4, 1, "vertical", "A"), "leave a tap"),
        (lambda: StackConv2D(4, 1, "horizontal", "A"), "leave a tap"),
        (lambda: StackConv2D(4, 3, "vertical", strides=2), "strides"),
        (lambda: StackConv2D(4, 3, "horizontal", colors=3), "filters to be divisible"),
        (
            lambda: StackConv2D(4, 3, "vertical", "A", dilation_rate=2),
            "dilation_rate=1 with mask_type='A'",
        ),
        (lambda: gated_block(FEATURES, FEATURES, 4, colors=3), "divisible by colors=3"),
        (lambda: gated_pixelcnn((4, 4, 3), **PLAIN, colors=2), "colors"),
        (
            lambda: gated_pixelcnn(
                (None, None, 1), **PLAIN, num_classes=2, label_map=1
            ),
            "fixed image size",
        ),
    ],
)
def test_bad_arguments_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("colors", [1, 3])
def test_with_skip_connections_the_last_layers_read_every_block(colors):
    keras.utils.set_random_seed(0)
    shape = (5, 5, colors)
    plain, skip = (
        gated_pixelcnn(shape, filters=6, depth=3, skip=skip) for skip in (False, True)
    )
    assert skip.count_params() - plain.count_params() == 4 * (6 * 6 + 6)
    randomize(skip)
    causality.assert_causal(skip)
    # the last sum reads the first block and each of the three after it
    image = np.zeros((1, *shape), "float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(skip(image) ** 2)
    kernels = [w for w in skip.trainable_variables if w.path.endswith("kernel")]
    mixing = [w for w in kernels if tuple(w.shape) == (1, 1, 6, 6)][-6:-2]
    assert len(mixing) == 4
    for gradient in tape.gradient(loss, [w.value for w in mixing]):
        assert abs(gradient.numpy()).max() > 0
