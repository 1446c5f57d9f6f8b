"""How `generation` runs its loops: in slices, in threads, and with a progress bar.

Nothing here decides what is drawn. A batch is cut into slices, so that the memory is
bounded. The compiled loop of ``method="cached"`` runs on one core, so each core gets its
own slices. Each size of slice needs its own compiled loop, so slices have few sizes.
"""

import collections
import concurrent.futures
import math
import sys

from pixelcnn_edu._device import cores as cores_of_process
from pixelcnn_edu._device import on_gpu

import numpy as np
import tqdm

MOST_PER_SLICE = 128  # images
MOST_NUMBERS = 2**26  # of a slice, in float32: 256 MB
SECONDS_BEFORE_BAR = 3


def known_only(given, known):
    """Return given images as float32, with 0 at the pixels that are not known."""
    return np.where(known[:, :, None], given, 0).astype("float32")


def probabilities_of(likelihood, image_shape) -> int:
    """Return how many probabilities a pass over whole images computes for one image."""
    return math.prod(image_shape) * likelihood.levels * likelihood.components


def images_at_a_time(numbers) -> int:
    """Return how many images a pass takes, if it computes ``numbers`` for one image."""
    return max(1, min(MOST_PER_SLICE, MOST_NUMBERS // numbers))


def in_slices(draw, arrays, count, *, compiled=False, numbers=1, progress=True):
    """Call ``draw(*arrays)`` slice by slice, and yield the images of each slice.

    Only a few slices exist at a time: each core has one, and one is passed on.

    Args:
        draw: a function from arrays (n, …) to images (n, H, W, C).
        arrays: a function from a slice of the images, 0 to ``count``, to their uniform
            numbers, given images, and labels: (n, …) each.
        count: how many images.
        compiled: ``draw`` compiles for each n. Then all slices have the same n (images
            that are added to the last slice are dropped again), and they run in threads.
        numbers: how many probabilities ``draw`` computes at a time for one image; they
            bound the slices if ``draw`` is not compiled. With 1, MOST_PER_SLICE alone does.
        progress: show a bar if the drawing takes more than a few seconds.
    """
    workers = cores() if compiled else 1
    size = images_at_a_time(numbers)
    if compiled:
        size = slice_size(count, workers)

    def one_slice(start):
        parts = arrays(slice(start, min(start + size, count)))
        n = len(parts[0])
        if compiled and n < size:
            parts = [np.concatenate([p, p[:1].repeat(size - n, 0)]) for p in parts]
        return draw(*parts)[:n]

    starts = range(0, count, size)
    several = len(starts) > 1 and workers > 1
    parts = (
        _in_threads(one_slice, starts, workers) if several else map(one_slice, starts)
    )
    yield from _with_bar(parts, count, progress)


def _in_threads(function, arguments, workers):
    """Yield the results in order, as `map` does, and compute the next ones meanwhile."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        waiting = collections.deque()
        for argument in arguments:
            waiting.append(pool.submit(function, argument))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def slice_size(count, workers):
    """Return the images per slice: a power of two, such that all cores get some."""
    share = -(-count // workers) if count >= 4 * workers else count
    return min(MOST_PER_SLICE, 1 << (share - 1).bit_length())


def cores():
    """Return how many slices run at the same time."""
    return 1 if on_gpu() else cores_of_process()


def uniforms_of(root, rows, shape):
    """Return uniform numbers, float32 (rows, *shape), of the images in ``rows``.

    Each image has a stream of its own, so that image i does not depend on the count.

    Args:
        root: a `SeedSequence`.
        rows: a slice.
        shape: (H, W, C).
    """
    seeds = (
        np.random.SeedSequence(root.entropy, spawn_key=(i,))
        for i in range(rows.start, rows.stop)
    )
    rngs = (np.random.default_rng(seed) for seed in seeds)
    return np.stack([rng.random(shape, dtype="float32") for rng in rngs])


def _with_bar(parts, count, progress):
    """Pass on slices. The bar's clock starts after the first slice, which may compile.

    In a notebook the bar stands in the page. Elsewhere it goes to stderr, because stdout
    may be a file.
    """
    first = next(parts)
    yield first
    notebook = type(sys.stdout).__module__.startswith("ipykernel")
    file = sys.stdout if notebook else sys.stderr
    with tqdm.tqdm(
        total=count,
        initial=len(first),
        desc="drawing",
        delay=SECONDS_BEFORE_BAR,
        leave=False,
        file=file,
        disable=not progress or file is None,
    ) as bar:
        for part in parts:
            yield part
            bar.update(len(part))
