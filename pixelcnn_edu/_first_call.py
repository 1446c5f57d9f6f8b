"""The first small call of ``generate(method="cached")``: the fixed point answers.

The loop of ``method="cached"`` takes seconds to compile. The fixed point draws sixteen
digits in less time, so it answers the first call for each size (of an image, and of a
slice), and the second call compiles. The images are the same except for rounding.
"""

import math

from pixelcnn_edu._drawing import cores, slice_size
from pixelcnn_edu._pixelwise import is_of_user
from pixelcnn_edu.machine import on_gpu

MOST_IN_FIRST_CALL = 16 * 28 * 28 * 2  # values × levels: sixteen digits of two levels
MOST_ROUNDS = 100  # sixteen digits of a trained network need about 50


def rounds_of_first_call(loop, likelihood, shape, temperature) -> int:
    """Return how many rounds the fixed point may take; 0 if the compiled loop answers.

    The compiled loop answers every call but the first small one for each size. It answers
    the first call too where rounding is coarse (half precision, int8, a GPU), and where a
    layer or the likelihood has a user's class: an error in such a class must appear in the
    first call, not in the second. The call is noted in ``loop.asked``: the next one for
    this size compiles.

    Args:
        loop: the `PixelLoop` of a model.
        likelihood, temperature: as for `generation.naive`.
        shape: (N, H, W, C) of all images.
    """
    count, *image_shape = shape
    key = loop.key((slice_size(count, cores()), *image_shape), temperature)
    small = math.prod(shape) * likelihood.levels <= MOST_IN_FIRST_CALL
    if not small or key in loop.compiled or key in loop.asked:
        return 0
    loop.asked.add(key)
    operations = [tensor.operation for tensor in loop.tensors if tensor.operation]
    own = any(map(is_of_user, [likelihood, *operations]))
    coarse = on_gpu() or not all(map(_in_single_precision, loop.tensors))
    return 0 if own or coarse else MOST_ROUNDS


def _in_single_precision(tensor):
    policy = getattr(tensor.operation, "dtype_policy", None)
    return tensor.dtype == "float32" and getattr(policy, "name", "float32") == "float32"
