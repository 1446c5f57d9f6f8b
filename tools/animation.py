"""Write docs/touch.gif, the animated picture of the README.

    python tools/animation.py

A digit is drawn pixel by pixel. Then one pixel is flipped, and all later pixels are drawn
again with the same random numbers: what `widgets.TouchableDigit` does.
"""

from pathlib import Path

from pixelcnn_edu import pretrained
from pixelcnn_edu.widgets import drawing

import numpy as np
from PIL import Image

FILE = Path(__file__).resolve().parents[1] / "docs" / "touch.gif"
SEED, TOUCHED = 3, (3, 14)
STEP, SCALE = 28, 8  # pixels of the image per frame; pixels of the picture per pixel
PAPER, INK, NOT_YET, NEXT = range(4)
PALETTE = [*(255, 255, 255), *(0, 0, 0), *(191, 191, 191), *(208, 0, 0)]
MILLISECONDS = 60, 1500  # of a frame, and of a finished digit


def frames(first, second, touched):
    """Yield pages (H, W) of codes, each with how long it is shown.

    Args:
        first, second: (H, W), the digit before and after the flip.
        touched: (row, col) of the flip.
    """
    size, width = first.size, first.shape[1]
    place = np.arange(size).reshape(first.shape)
    start = touched[0] * width + touched[1]
    for image, begin in ((first, 0), (second, start)):
        for at in [*range(begin, size, STEP), size]:
            page = np.where(place < at, image, NOT_YET).astype("uint8")
            page[place == at] = NEXT
            yield page, MILLISECONDS[at == size]


def animation():
    """Return all frames, and the milliseconds of each."""
    model = pretrained.load("coffee")
    first, uniforms = drawing.first_of_seed(model, SEED)
    (second,) = drawing.draw_forks(model, first, uniforms, [TOUCHED])
    return zip(*frames(first[..., 0], second[..., 0], TOUCHED), strict=True)


def main():
    pages, times = animation()
    pictures = []
    for page in pages:
        large = page.repeat(SCALE, 0).repeat(SCALE, 1)
        picture = Image.frombytes("P", large.shape[::-1], large.tobytes())
        picture.putpalette(PALETTE)
        pictures.append(picture)
    first, *more = pictures
    first.save(FILE, append_images=more, duration=list(times), loop=0)


if __name__ == "__main__":
    main()
