"""The cache in its simplest form: keep every feature map, compute one pixel at a time.

Paper: arXiv 1704.06001. Taught by notebook 10. `loop` is the fast form of the same idea.
This form is for reading: it runs each layer in Python, and it keeps whole pages.

When a pixel is drawn, all features of earlier pixels stay as they are, because the network
is causal. So there is one page per tensor of the network, and at each pixel only the
features of that pixel are computed. A convolution reads the earlier ones from the page.

`graph.Tensor` says what a tensor is (its ``kept_…`` are for `loop` alone).
"""

from pixelcnn_edu._checks import check_finite, check_logits, check_model
from pixelcnn_edu._drawing import known_only
from pixelcnn_edu.cache.graph import (
    PER_PIXEL,
    PER_ROW,
    entry,
    kernel_of,
    read,
    weight_by_pixel,
    with_weight,
)

import numpy as np


def draw(model, likelihood, uniforms, given, known, temperature, *labels) -> np.ndarray:
    """Draw images; arguments and result as for `generation.naive`.

    Raises:
        UnknownLayer: a layer cannot run one pixel at a time; the message names it.
        ValueError: a weight is not finite, or a logit is NaN.

    Example:
        >>> from pixelcnn_edu.models import pixelcnn
        >>> model = pixelcnn((5, 4, 1), filters=4, depth=1)
        >>> u = np.full((2, 5, 4, 1), 0.5, "float32")
        >>> draw(model, model.likelihood, u, 0 * u, np.zeros((5, 4), bool), 1.0).shape
        (2, 5, 4, 1)
    """
    graph = read(check_finite(check_model(model)))
    count, height, width, channels = uniforms.shape
    by_row = [t for t in graph.made if t.when == PER_ROW]
    by_pixel = [t for t in graph.made if t.when == PER_PIXEL]
    pages = {
        t: np.zeros((count, height, width, t.channels), "float32")
        for t in by_row + by_pixel
    }
    image = graph.inputs[0]
    pages[image] = known_only(given, known)
    of_label = graph.of_label(labels)
    for t in graph.label_maps:
        pages[t] = np.broadcast_to(of_label[t], (count, height, width, t.channels))
    taps = {t: _taps(t.layer) for t in by_row + by_pixel if t.is_convolution}
    for row in range(height):
        for t in by_row:  # a whole row at once: the next tensor may read to the right
            for col in range(width):
                pages[t][:, row, col] = _features(t, pages, taps, row, col)
        for col in range(width):
            # One run before each channel is drawn, and one after the last channel, since
            # some features contain it (one-hot levels, for example). For a gray PixelCNN
            # without them the second run changes nothing; `loop` leaves it out.
            for channel in range(channels + 1):
                for t in by_pixel:
                    pages[t][:, row, col] = _features(t, pages, taps, row, col)
                if channel < channels and not known[row, col]:
                    logits, u = pages[graph.output][:, row, col], uniforms[:, row, col]
                    values = likelihood.sample(check_logits(logits), u, temperature)
                    pages[image][:, row, col, channel] = values[:, channel]
    return pages[image]


def _taps(layer):
    """Return (rows down, pixels right, weights) for each tap that is not all 0."""
    kernel, (first_row, first_col), step = kernel_of(layer)
    kernel = np.asarray(kernel)
    live = np.argwhere(kernel.any(axis=(2, 3)))
    return [(first_row + i * step, first_col + j * step, kernel[i, j]) for i, j in live]


def _features(tensor, pages, taps, row, col):
    """Compute a tensor's features at one pixel, (N, channels), from the pages."""
    layer, source = tensor.layer, pages[tensor.sources[0]]
    if tensor in taps:
        total = np.zeros((len(source), layer.filters), "float32")
        for down, right, weights in taps[tensor]:
            r, c = row + down, col + right
            if 0 <= r < source.shape[1] and 0 <= c < source.shape[2]:
                total = total + source[:, r, c] @ weights
        if layer.use_bias:
            total = total + np.asarray(layer.bias)
        # layers and activations take (N, H, W, channels)
        return np.asarray(layer.activation(total[:, None, None]))[:, 0, 0]
    if weight_by_pixel(layer) is not None:
        weights = np.asarray(weight_by_pixel(layer))
        weight = entry(entry(weights, row), col)
        return np.asarray(with_weight(layer, source[:, row, col], weight))
    here = [pages[t][:, row, col][:, None, None] for t in tensor.sources]
    return np.asarray(tensor.call(here))[:, 0, 0]
