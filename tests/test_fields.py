"""Sets of offsets against real networks and known counts."""

from pixelcnn_edu import causality, models
from pixelcnn_edu.fields import seen
from pixelcnn_edu.layers import MaskedConv2D

import keras
import numpy as np
import pytest

PAGE, PIXEL = (28, 28), (14, 14)
# all weights above zero and no activation: no path through the network is ever closed
OPEN = {"kernel_initializer": keras.initializers.RandomUniform(0.2, 1, seed=0)}


def count(page=PAGE, pixel=PIXEL, **network):
    return int(seen(page, pixel, **network).sum())


def plain(page, first, further, later="B"):
    x = image = keras.Input((*page, 1))
    x = MaskedConv2D(2, first, mask_type="A", **OPEN)(x)
    for _ in range(further):
        x = MaskedConv2D(2, 3, mask_type=later, **OPEN)(x)
    return keras.Model(image, x)


def two_stacks(page, first, further, own_row=True, added=True):
    """Padding and cropping instead of masks; False plants a bug in all later layers."""
    image = keras.Input((*page, 1))
    vertical = horizontal = image
    for n, size in enumerate([first] + [3] * further):
        half, right = size // 2, n > 0 and own_row
        x = keras.layers.ZeroPadding2D(((half, 0), (half, half)))(vertical)
        if not right:
            x = keras.layers.Cropping2D(((0, 1), (0, 0)))(x)
        vertical = keras.layers.Conv2D(2, (half + right, size), **OPEN)(x)
        y = keras.layers.ZeroPadding2D(((0, 0), (half, 0)))(horizontal)
        if n == 0:
            y = keras.layers.Cropping2D(((0, 0), (0, 1)))(y)
        horizontal = keras.layers.Conv2D(2, (1, half + (n > 0)), **OPEN)(y)
        if n == 0 or added:
            of_rows = keras.layers.Conv2D(2, 1, **OPEN)(vertical)
            horizontal = keras.layers.add([horizontal, of_rows])
    return keras.Model(image, horizontal)


def field_of(network, pixel):
    return causality.receptive_field(network, *pixel, images=2)


def test_the_counts_after_a_7x7_layer_are_the_known_ones():
    counts = [count(first=7, further=n) for n in range(21)]
    assert counts[:6] == [24, 39, 57, 78, 102, 129]
    assert (counts[7], counts[10]) == (192, 309)
    assert counts[11:] == [351] * 10
    assert round(100 * (1 - 351 / 406), 1) == 13.5


def test_the_counts_after_a_3x3_layer_are_the_known_ones():
    counts = [count(first=3, further=n) for n in range(21)]
    assert (counts[5], counts[10]) == (69, 209)
    assert counts[12] < 328 and counts[13:] == [328] * 8
    assert round(100 * (1 - 328 / 406), 1) == 19.2


def test_on_a_small_page_50_of_60_pixels_are_seen_from_four_layers_on():
    counts = [count((11, 11), (5, 5), first=3, further=n) for n in range(9)]
    assert counts[3] < 50 and counts[4:] == [50] * 5


@pytest.mark.parametrize(
    ("first", "pooled", "each"), [(3, 22.1, 25.7), (7, 18.0, 21.3)]
)
def test_the_blind_shares_of_the_whole_page_are_the_known_ones(first, pooled, each):
    pixels = list(np.ndindex(PAGE))[1:]  # nothing comes before (0, 0)
    earlier = np.arange(1, 784)
    got = np.array([count(pixel=pixel, first=first, further=28) for pixel in pixels])
    assert round(100 * (1 - got.sum() / earlier.sum()), 1) == pooled
    assert round(100 * np.mean(1 - got / earlier), 1) == each


@pytest.mark.parametrize(
    ("page", "pixel", "first", "further", "gated"),
    [
        (PAGE, PIXEL, 7, 0, False),
        (PAGE, PIXEL, 7, 10, False),
        (PAGE, PIXEL, 3, 13, False),
        ((11, 11), (5, 5), 3, 4, False),
        ((9, 12), (6, 10), 5, 2, False),
        (PAGE, PIXEL, 7, 0, True),
        (PAGE, PIXEL, 7, 5, True),
        (PAGE, PIXEL, 3, 13, True),
        ((11, 11), (5, 5), 3, 2, True),
        ((9, 12), (6, 10), 5, 2, True),
    ],
)
def test_a_field_is_the_one_of_a_real_network(page, pixel, first, further, gated):
    network = (two_stacks if gated else plain)(page, first, further)
    ours = seen(page, pixel, first=first, further=further, gated=gated)
    assert np.array_equal(ours, field_of(network, pixel))


@pytest.mark.parametrize("depth", [1, 4])
def test_a_gated_field_is_the_one_of_the_package_s_gated_network(depth):
    network = models.gated_pixelcnn((9, 12, 1), filters=4, depth=depth)
    field = causality.receptive_field(network, 6, 7, images=64)
    ours = seen((9, 12), (6, 7), first=7, further=depth, gated=True)
    assert np.array_equal(ours, field)


def test_networks_with_a_wrong_later_layer_are_told_apart():
    page, pixel = (11, 11), (5, 5)
    ours = seen(page, pixel, first=3, further=2)
    assert not np.array_equal(ours, field_of(plain(page, 3, 2, later="A"), pixel))
    ours = seen(page, pixel, first=3, further=2, gated=True)
    for bug in ({"own_row": False}, {"added": False}):
        wrong = field_of(two_stacks(page, 3, 2, **bug), pixel)
        assert not np.array_equal(ours, wrong), bug


@pytest.mark.parametrize("first", [3, 7])
def test_two_stacks_leave_no_earlier_pixel_out_at_any_place(first):
    earlier = np.arange(60).reshape(6, 10)
    for pixel in np.ndindex(6, 10):
        field = seen((6, 10), pixel, first=first, further=10, gated=True)
        assert np.array_equal(field, earlier < earlier[pixel])


@pytest.mark.parametrize("first", [3, 7])
def test_blind_pixels_are_those_steeper_than_the_rule_of_the_notebook(first):
    rows, cols = np.indices(PAGE)
    steep = cols - 14 > 14 - rows + first // 2 - 1
    steep &= 28 * rows + cols < 28 * 14 + 14
    never = ~seen(PAGE, PIXEL, first=first, further=56)
    never &= 28 * rows + cols < 28 * 14 + 14
    assert np.array_equal(never, steep)


def test_wrong_arguments_are_refused():
    for page in ((0, 5), (5, 2.5)):
        with pytest.raises(ValueError, match=r"height|width"):
            seen(page, (0, 0))
    for further in (-1, 1.5, True):
        with pytest.raises(ValueError, match="Expected further to be .* Received: "):
            seen((5, 5), (2, 2), further=further)
    with pytest.raises(ValueError, match=r"pixel.*\(5, 0\)"):
        seen((5, 5), (5, 0))
    for pixel in ((1.5, 2), (True, 2), (2,), (1, 2, 3)):
        with pytest.raises(ValueError, match="Expected pixel to be .* Received: "):
            seen((5, 5), pixel)
    assert np.array_equal(seen((5, 5), np.array([1, 2])), seen((5, 5), (1, 2)))
    with pytest.raises(ValueError, match=r"kernel_size.*4"):
        seen((5, 5), (2, 2), first=4)
