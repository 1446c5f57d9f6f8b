"""Images as arrays: how to load the digits and how to prepare them for a model.

Everywhere in this package an image batch is float32 (N, H, W, C) with values in [0, 1].
Taught by notebook 07.

The package contains 5,000 real MNIST digits (Y. LeCun, C. Cortes, C. Burges; CC BY-SA
3.0). Only ``source="full"`` may need the network.
"""

from pathlib import Path

from pixelcnn_edu._checks import (
    check_bool,
    check_images,
    check_levels,
    check_number,
    check_one_of,
    check_path,
    check_positive_int,
    check_seed,
    listed,
    plain,
    refused,
)

import keras
import numpy as np
from PIL import Image, ImageOps

BUNDLED = Path(__file__).parent / "bundled" / "digits.npz"
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp")


def load_mnist(source="bundled"):
    """Load handwritten digits, or another set in the same file format.

    Args:
        source: ``"bundled"``: 4,000 training and 1,000 test digits, no network needed. All
            of them are MNIST training digits: do not score a network on these test
            digits that was trained on ``"full"``.
            ``"full"``: all 60,000 and 10,000. Keras downloads them once into its cache.
            Or the path of a file like Keras's ``mnist.npz``.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: images float32 (N, H, W, 1) in
        [0, 1], of MNIST (N, 28, 28, 1); labels int64 (N,).

    Raises:
        ValueError: a file is damaged or of another kind; the message names it.
        FileNotFoundError: a path does not exist.
        ConnectionError: ``"full"`` is not cached and could not be downloaded.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_mnist()
        >>> x_train.shape, x_test.shape
        ((4000, 28, 28, 1), (1000, 28, 28, 1))
    """
    if isinstance(source, str) and source == "full":
        train, test = _download()
    else:
        path = BUNDLED if source == "bundled" else check_path("source", source)
        x_train, y_train, x_test, y_test = _read_npz(path)
        train, test = (x_train, y_train), (x_test, y_test)
    return _as_batch(*train, source), _as_batch(*test, source)


def _download():
    try:
        return keras.datasets.mnist.load_data()
    except Exception as error:  # Keras and the network raise many types
        raise ConnectionError(
            f"MNIST is not in Keras's cache and could not be downloaded: {error}. "
            "source='bundled' works without a network."
        ) from error


def _read_npz(path: Path) -> list[np.ndarray]:
    if not path.exists():
        raise FileNotFoundError(
            "Expected source to be 'bundled', 'full', or the path of an .npz file. "
            f"Nothing is there: {path}"
        )
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            return [file[name] for name in ARRAYS]
    except Exception as error:  # a damaged file can raise many types
        raise ValueError(
            f"Expected an .npz file with the arrays {', '.join(ARRAYS)}. Cannot read "
            f"{path}: {error}"
        ) from error


def _as_batch(images, labels, source):
    """Return uint8 images (N, H, W) as float32 (N, H, W, 1) in [0, 1], with labels."""
    fits = images.dtype == np.uint8 and images.ndim == 3 and images.size
    if not fits or labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise refused(
            "uint8 images (N, H, W) and one integer label for each",
            f"images {images.dtype} {images.shape}, labels {labels.dtype} "
            f"{labels.shape} from {source}",
        )
    return (images.astype("float32") / 255)[..., None], labels.astype("int64")


def load_folder(
    path,
    size=(28, 28),
    channels: int = 1,
    *,
    levels: int | None = 2,
    fit: str = "crop",
    invert: bool = False,
    validation: float = 0.1,
    seed: int = 0,
):
    """Load a folder of pictures: PNG, JPEG, GIF (the first frame) or WebP files.

    Each sub-folder is a class, with all pictures in and below the sub-folder. The labels
    are 0, 1, … in the order of the sub-folders' names, which `folder_classes` returns.
    Without sub-folders, all pictures get the label 0. Files of other formats and hidden
    names are ignored.

    White is 1 and black is 0, as on a screen. In `load_mnist` ink is 1: for dark ink on
    white paper, ``invert=True`` gives the same. Figures, the command ``draw`` and pages
    show a gray 1 as black ink: without ``invert`` they show gray pictures as negatives.

    Photos are turned as their EXIF orientation says. Transparent pixels become white. Gray
    is the luma of ITU-R BT.601, and color profiles are ignored. A picture is resized with a
    Lanczos filter before its values are rounded to ``levels``.

    Args:
        path: the folder.
        size: (height, width) of the images, in pixels.
        channels: 1 for gray, 3 for red, green and blue.
        levels: from 2 to 2**16, as for `quantize`. None keeps the values as they are,
            which `binarize` needs.
        fit: ``"crop"`` cuts off what does not fit, equally at both ends. ``"pad"``
            shows the whole picture in the center of a white image.
        invert: replace each value v by 1 - v.
        validation: the share of validation images, between 0 and 1.
        seed: of the split and of the order.

    Returns:
        ``(x_train, y_train), (x_val, y_val)``: images float32 (N, H, W, channels) in
        [0, 1], labels int64 (N,), in random order. Each class has the same share in
        both parts, up to one image.

    Raises:
        ValueError: an argument is out of its range, or pictures cannot be read; the
            message lists all of them.
        FileNotFoundError: the folder does not exist.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name, gray in (("dark", 0), ("light", 255)):
        ...         (Path(folder) / name).mkdir()
        ...         for k in range(5):
        ...             picture = Image.new("L", (40, 30 + k), gray)
        ...             picture.save(Path(folder) / name / f"{k}.png")
        ...     names = folder_classes(folder)
        ...     (x, y), (x_val, y_val) = load_folder(folder, (8, 8), validation=0.2)
        >>> names, x.shape, np.bincount(y), y_val
        (['dark', 'light'], (8, 8, 8, 1), array([4, 4]), array([...]))
        >>> bool((x[y == 0] == 0).all() and (x[y == 1] == 1).all())
        True
    """
    if len(listed(size) or []) != 2:
        raise refused("size to be two integers (height, width)", repr(size))
    height, width = (check_positive_int("size", one) for one in size)
    if plain(channels) not in (1, 3):
        raise refused("channels to be 1 (gray) or 3 (RGB)", repr(channels))
    fit = check_one_of("fit", fit, ("crop", "pad"))
    levels = None if levels is None else check_levels(levels)
    invert, seed = check_bool("invert", invert), check_seed(seed, optional=False)
    validation = check_number("validation", validation, "(0, 1)")
    classes = _find(check_path("path", path))
    paths = [one for pictures in classes.values() for one in pictures]
    if len(paths) < 2:
        raise refused(
            "path to be a folder of at least two pictures, for training and for "
            "validation",
            f"{path}, which has one",
        )
    labels = np.repeat(
        np.arange(len(classes)), [len(each) for each in classes.values()]
    )
    # [seed, …]: not the numbers that `hold_out` draws with this seed
    order = np.random.default_rng([seed, len(paths)]).permutation(len(paths))
    images = _read_pictures(paths, (height, width), channels, fit)[order]
    images = 1 - images if invert else images
    images = images if levels is None else quantize(images, levels)
    count = min(max(1, round(validation * len(paths))), len(paths) - 1)
    return hold_out(images, labels.astype("int64")[order], count, seed=seed)


def folder_classes(path) -> list[str]:
    """Return the names of the classes that `load_folder` finds: ``names[label]``.

    Args:
        path: a folder of pictures.

    Returns:
        The names of the sub-folders with pictures, sorted. If the pictures are directly in
        the folder, its own name.

    Raises:
        ValueError: the folder has no pictures, or some are beside sub-folders.
        FileNotFoundError: the folder does not exist.
    """
    return list(_find(check_path("path", path)))


def _find(folder: Path) -> dict[str, list[Path]]:
    """Return the pictures of each class."""
    if not folder.is_dir():
        kind = ValueError if folder.exists() else FileNotFoundError
        raise kind(f"Expected path to be a folder. Received: {folder}")
    pictures = [
        path
        for path in sorted(folder.rglob("*"), key=Path.as_posix)
        if path.suffix.lower() in SUFFIXES
        and not any(name.startswith(".") for name in path.relative_to(folder).parts)
    ]
    classes = {}
    for path in pictures:
        is_loose = path.parent == folder
        name = folder.resolve().name if is_loose else path.relative_to(folder).parts[0]
        classes.setdefault(name, []).append(path)
    loose = [path.name for path in pictures if path.parent == folder]
    if not pictures:
        raise refused(
            "path to be a folder with pictures (PNG, JPEG, GIF or WebP)",
            f"{folder}, which has none",
        )
    if loose and len(loose) < len(pictures):
        raise refused(
            "all pictures in sub-folders, one for each class, or all pictures directly in "
            "path",
            f"{len(loose)} beside the sub-folders of {folder}, such as {loose[0]!r}",
        )
    return dict(sorted(classes.items()))


def _read_pictures(paths, size, channels, fit) -> np.ndarray:
    """Return pictures as float32 (N, H, W, channels) in [0, 1]; white is 1."""
    images, problems = [], []
    for path in paths:
        try:
            images.append(_read_picture(path, size, channels, fit))
        except Exception as error:  # a damaged file can raise many types
            problems.append(f"\n  {path}: {error or type(error).__name__}")
    if problems:
        raise refused(
            "every picture to be a whole PNG, JPEG, GIF or WebP file",
            f"{len(problems)} of {len(paths)} that cannot be read:{''.join(problems)}",
        )
    return np.stack(images)


def _read_picture(path, size, channels, fit):
    height, width = size
    with Image.open(path, formats=FORMATS) as image:
        # A JPEG decoder can average blocks of pixels itself, which is ten times faster.
        image.draft(None, (8 * max(size),) * 2)  # at least this width and this height
        image = _on_white(ImageOps.exif_transpose(image), channels)
    resize = {"crop": ImageOps.fit, "pad": ImageOps.pad}[fit]
    how = {"method": Image.Resampling.LANCZOS}
    if fit == "pad":
        how["color"] = "white"
    values = np.asarray(resize(image, (width, height), **how), "float32") / 255
    values = np.clip(values, 0, 1).reshape(height, width, -1)
    return np.broadcast_to(values, (height, width, channels))


def _on_white(image, channels):
    """Return a picture without transparency: gray or RGB, values from 0 to 255."""
    if image.mode.startswith("I"):  # gray of 16 bits: "L" would cut off the lower 8
        return Image.fromarray(np.asarray(image, "float32") / np.float32(257))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if channels == 1 else "RGB")


def hold_out(images, labels, count, *, seed=0):
    """Split a training set into training images and validation images.

    Use validation images to choose settings and to decide when to stop. Use test images
    only to score the result. Each class has the same share in both parts, up to one
    image, and both parts keep the order of the whole.

    Args:
        images: the training set, (N, H, W, C) in [0, 1].
        labels: their classes, (N,).
        count: how many validation images, less than N.
        seed: of the choice.

    Returns:
        ``(x_train, y_train), (x_val, y_val)``. Each image is in one of the two parts.

    Raises:
        ValueError: an argument is out of its range.

    Example:
        >>> (x, y), (x_test, y_test) = load_mnist()
        >>> (x_train, y_train), (x_val, y_val) = hold_out(x, y, 400)
        >>> x_train.shape, x_val.shape, np.bincount(y_val)[:3]
        ((3600, 28, 28, 1), (400, 28, 28, 1), array([40, 40, 40]))
    """
    images = check_images(images)
    total, count = len(images), check_positive_int("count", count)
    labels = _one_each(labels, total)
    if count >= total:
        raise ValueError(
            f"Expected count to be less than the {total} images. Received: {count}"
        )
    rng = np.random.default_rng(check_seed(seed, optional=False))
    order = rng.permutation(total)
    order = order[np.argsort(labels[order], kind="stable")]  # class after class
    chosen = np.zeros(total, bool)
    chosen[order[np.arange(count) * total // count]] = True  # at equal distances
    kept = ~chosen
    return (images[kept], labels[kept]), (images[chosen], labels[chosen])


def binarize(images, *, seed=None, threshold=None) -> np.ndarray:
    """Turn gray images into images of 0 and 1.

    By default each pixel is *drawn*: its gray value is the probability of ink. There
    are three protocols: a new draw at each use (dynamic), one draw that is kept
    (static), and a threshold, which makes a much easier task. Never compare likelihoods
    of different protocols.

    Args:
        images: (N, H, W, C) in [0, 1].
        seed: fixes the draw; with None each call draws new values.
        threshold: in [0, 1]; nothing is drawn, and a pixel above it becomes 1.

    Returns:
        float32, zeros and ones, in the shape of ``images``.

    Raises:
        ValueError: bad images or threshold, or both seed and threshold given.
    """
    images = check_images(images)
    if threshold is not None:
        if seed is not None:
            raise ValueError(
                "Expected seed or threshold, not both: a threshold draws nothing. "
                f"Received: seed={seed!r}, threshold={threshold!r}"
            )
        threshold = check_number("threshold", threshold, "[0, 1]")
        return (images > threshold).astype("float32")
    rng = np.random.default_rng(check_seed(seed))
    uniforms = rng.random(images.shape, dtype="float32")
    return (uniforms < images).astype("float32")


def quantize(images, levels: int) -> np.ndarray:
    """Round each value to the nearest of ``levels`` evenly spaced ones, k/(levels-1).

    Args:
        images: (N, H, W, C) in [0, 1].
        levels: from 2 to 2**16.

    Returns:
        float32, in the shape of ``images``.

    Raises:
        ValueError: bad images or levels.

    Example:
        >>> quantize(np.array([0.0, 0.4, 0.6, 1.0]).reshape(1, 2, 2, 1), 2).ravel()
        array([0., 0., 1., 1.], dtype=float32)
    """
    levels = check_levels(levels)
    images = check_images(images)
    return (np.floor(images * (levels - 1) + 0.5) / (levels - 1)).astype("float32")


def exclude(images, labels, others):
    """Return ``images`` and ``labels`` without the images that are among ``others``.

    Args:
        images: (N, H, W, C) in [0, 1].
        labels: (N,), of the images.
        others: (M, H, W, C) in [0, 1]. They are compared with ``images`` as float32.

    Raises:
        ValueError: bad images, or not one label for each image.

    Example:
        >>> images = np.arange(4).reshape(4, 1, 1, 1) / 4
        >>> kept, labels = exclude(images, np.arange(4), images[1:2])
        >>> labels
        array([0, 2, 3])
    """
    values = check_images(images)
    images, labels = np.asarray(images), _one_each(labels, len(values))
    seen = set(map(_key, check_images(others, name="others")))
    keep = np.array([_key(one) not in seen for one in values])
    return images[keep], labels[keep]


def _key(image):
    # + 0.0 turns -0.0 into 0.0, which has other bytes
    return image.shape, (image + np.float32(0)).tobytes()


def _one_each(labels, count):
    labels = np.asarray(labels)
    if labels.shape != (count,) or labels.dtype == object:
        raise ValueError(
            f"Expected labels of shape {(count,)}, one number or string for each image. "
            f"Received: {labels.dtype} {labels.shape}"
        )
    return labels


def colorize(images, *, seed=0) -> np.ndarray:
    """Give each image two random colors, one for ink and one for paper.

    A color has three channels of 2 bits (4 levels) each.

    Args:
        images: (N, H, W, 1) in [0, 1]. Ink gets one color, and paper another. A gray
            pixel gets a color between them, rounded to the 4 levels.
        seed: of the colors. Each image gets two different ones of 4³ = 64.

    Returns:
        float32 (N, H, W, 3), values k/3.

    Raises:
        ValueError: bad images, or more than one channel.

    Example:
        >>> digits = binarize(load_mnist()[1][0][:5], seed=0)
        >>> colored = colorize(digits, seed=0)
        >>> colored.shape, len(np.unique(colored[0].reshape(-1, 3), axis=0))
        ((5, 28, 28, 3), 2)
    """
    images = check_images(images, image_shape=(None, None, 1))
    rng = np.random.default_rng(check_seed(seed))
    ink = rng.integers(0, 64, len(images))
    paper = (ink + rng.integers(1, 64, len(images))) % 64  # never the color of the ink
    ink, paper = (
        np.stack([color // 16, color // 4 % 4, color % 4], axis=-1)[:, None, None] / 3
        for color in (ink, paper)
    )
    mixed = images * ink + (1 - images) * paper
    return quantize(np.minimum(mixed, 1), 4)  # 1 - x is rounded: a sum may exceed 1
