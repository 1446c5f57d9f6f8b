"""Files of pictures, read with Pillow: what `data.load_folder` needs.

A file is decoded as PNG, JPEG, GIF or WebP, and as nothing else. Each picture is turned
upright, laid on white, brought to one size, and only then returned as numbers.
"""

import unicodedata
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
SUFFIXES = (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".webp")
# These formats are not read, but `read` lists their files: a class must not lose some of
# its pictures silently.
OTHER_SUFFIXES = (
    *(".avif", ".avifs", ".bmp", ".dds", ".dib", ".exr", ".hdr", ".heic", ".heics"),
    *(".heif", ".heifs", ".hif", ".icns", ".ico", ".j2c", ".j2k", ".jfi", ".jif"),
    *(".jp2", ".jpc", ".jpf", ".jps", ".jpx", ".jxl", ".mpo", ".pam", ".pbm", ".pcx"),
    *(".pfm", ".pgm", ".pnm", ".ppm", ".psb", ".psd", ".qoi", ".svg", ".svgz", ".tga"),
    *(".tif", ".tiff", ".xbm", ".xcf", ".xpm"),
    # of cameras
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".kdc", ".mef"),
    *(".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl"),
    *(".sr2", ".srf", ".srw", ".x3f"),
)
MOST_PIXELS = 64_000_000  # of one picture, by its header
_LANCZOS = Image.Resampling.LANCZOS


def _pad(image, size):
    """Bring a picture to ``size``, whole, with white on two sides.

    (`ImageOps.pad` of Pillow 11 and 12 fails on a line of pixels.)
    """
    scale = min(size[0] / image.width, size[1] / image.height)
    inner = image.resize([max(1, round(side * scale)) for side in image.size], _LANCZOS)
    page = Image.new(image.mode, size, "white")
    page.paste(
        inner, tuple((a - b) // 2 for a, b in zip(size, inner.size, strict=True))
    )
    return page


FITS = {"crop": partial(ImageOps.fit, method=_LANCZOS), "pad": _pad}


def find(folder: Path):
    """Return ``(names, paths, labels)``: the classes and all pictures of a folder.

    Raises:
        ValueError: ``folder`` is a file, holds no picture, or holds pictures beside
            sub-folders with pictures.
        FileNotFoundError: ``folder`` does not exist.
    """
    if not folder.is_dir():
        kind = ValueError if folder.exists() else FileNotFoundError
        raise kind(f"Expected path to be a folder. Received: {folder}")
    loose = [path for path in _entries(folder) if _is_picture(path)]
    above = (folder.resolve(),)
    below = {
        path.name: _pictures(path, above) for path in _entries(folder) if path.is_dir()
    }
    classes = {name: paths for name, paths in below.items() if paths}
    if loose and classes:
        raise ValueError(
            "Expected all pictures in sub-folders, one for each class, or all pictures "
            f"directly in path. Received: {len(loose)} beside the sub-folders of "
            f"{folder}, the first of them {loose[0].name!r}"
        )
    if loose:
        classes = {folder.resolve().name: loose}
    if not classes:
        raise ValueError(
            "Expected path to be a folder with pictures (PNG, JPEG, GIF or WebP). "
            f"Received: {folder}, which has none"
        )
    labels = np.repeat(np.arange(len(classes)), [len(p) for p in classes.values()])
    paths = [path for paths in classes.values() for path in paths]
    return list(classes), paths, labels.astype("int64")


def read(paths, size, channels, fit, *, folder) -> np.ndarray:
    """Return the pictures as float32 (N, H, W, channels) in [0, 1]; white is 1.

    Args:
        paths: of the files.
        size: (height, width).
        channels: 1 or 3.
        fit: a key of `FITS`.
        folder: in the error, the names of the files begin below it.

    Raises:
        ValueError: some files cannot be read. The message lists all of them.
    """
    images, problems = [], []
    with warnings.catch_warnings():  # `_read` has its own, lower limit
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        for path in paths:
            try:
                images.append(_read(path, size, channels, fit))
            except Exception as error:  # a damaged file can raise many types
                name = path.relative_to(folder).as_posix()
                problems.append(f"\n  {name!r}: {_reason(error)}")
    if problems:
        raise ValueError(
            "Expected every picture to be a whole PNG, JPEG, GIF or WebP file. Repair, "
            f"convert or remove these files. Received: {len(problems)} of {len(paths)} "
            f"that cannot be read:{''.join(problems)}"
        )
    return np.stack(images)


def _entries(folder):
    """Return what a folder holds, but for hidden names, in the same order everywhere.

    Some systems store "ü" as one character and others as two. NFC makes it one.
    """
    visible = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return sorted(
        visible, key=lambda path: (unicodedata.normalize("NFC", path.name), path.name)
    )


def _is_picture(path):
    return path.suffix.lower() in SUFFIXES + OTHER_SUFFIXES and not path.is_dir()


def _pictures(folder, above):
    """Return the pictures in and below a folder.

    Args:
        folder: a path.
        above: real paths of the folders above. A link back to one of them is skipped.
    """
    real = folder.resolve()
    if real in above:
        return []
    found = []
    for path in _entries(folder):
        if path.is_dir():
            found += _pictures(path, (*above, real))
        elif _is_picture(path):
            found.append(path)
    return found


def _read(path, size, channels, fit):
    if not path.is_file():  # a broken link, or a pipe, which would block
        raise ValueError("not a file")
    with Image.open(path, formats=FORMATS) as image:
        if image.format == "PNG" and image.tile:
            image.verify()  # the checksums of the pixels, which `load` does not read
    with Image.open(path, formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(
                f"{image.width:,} × {image.height:,} pixels, more than the "
                f"{MOST_PIXELS:,} that are allowed"
            )
        # A JPEG decoder can average blocks of pixels itself, which is ten times faster.
        image.draft(None, (8 * max(size),) * 2)  # at least this width and this height
        rawmode = image.tile[0][3] if image.tile else None
        image = _on_white(_upright(image), channels, rawmode)
    height, width = size
    values = np.asarray(FITS[fit](image, (width, height)), "float32") / 255
    values = np.clip(values, 0, 1).reshape(height, width, -1)
    return np.broadcast_to(values, (height, width, channels))


def _upright(image):
    """Turn or mirror a photo as its EXIF orientation says."""
    return ImageOps.exif_transpose(image)


def _on_white(image, channels, rawmode=None):
    """Return the picture without transparency: gray or RGB, values from 0 to 255.

    ``rawmode`` is Pillow's name for how the pixels lie in the file.
    """
    if "transparency" in image.info:  # Pillow makes 8 bits of the pixels alone
        if rawmode == "RGB;16B":
            raise ValueError("a transparent color among colors of 16 bits")
        bits = {"L;2": 2, "L;4": 4}.get(rawmode, 8)
        if bits < 8:
            image.info["transparency"] *= 255 // (2**bits - 1)
    if image.mode.startswith("I"):  # gray of 16 bits: "L" would cut off the lower 8
        values = np.asarray(image, "float32")
        values = np.where(values == image.info.get("transparency"), 65535, values)
        return Image.fromarray(values / np.float32(257))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("L" if channels == 1 else "RGB")


def _reason(error):
    if isinstance(error, UnidentifiedImageError):
        return "not a PNG, JPEG, GIF or WebP picture"
    return str(error) or type(error).__name__
