"""The animated picture of the README is the one that its script makes."""

import animation
import numpy as np
import pytest
from PIL import Image


def stored():
    """Return the frames of the stored file, (H, W, 3) each, and their milliseconds."""
    with Image.open(animation.FILE) as picture:
        for index in range(picture.n_frames):
            picture.seek(index)
            yield np.asarray(picture.convert("RGB")), picture.info["duration"]


def differences(pages, times):
    """Count the frames of the stored file that differ from given ones."""
    palette = np.reshape(animation.PALETTE, (-1, 3))
    half = animation.SCALE // 2
    return sum(
        time != shown
        or not np.array_equal(palette[page], frame[half :: 2 * half, half :: 2 * half])
        for page, time, (frame, shown) in zip(pages, times, stored(), strict=True)
    )


@pytest.fixture(scope="module")
def made():
    pages, times = animation.animation()
    return list(pages), list(times)


def test_the_stored_animation_is_the_script_s(made):
    assert differences(*made) == 0


def test_another_animation_is_told_apart(made):
    pages, times = made
    other = [page.copy() for page in pages]
    other[3][0, 0] = animation.NEXT
    assert differences(other, times) == 1
