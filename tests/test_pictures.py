"""A folder of pictures: formats, orientation, transparency, order, damage, the split.

Each file is a real one, written by Pillow or by hand. An oracle that has a planted fault
is a function ``check_…``, which `test_planted_faults_are_noticed` calls again.
"""

import os
import random
import struct
import unicodedata
import zlib
from functools import partial
from pathlib import Path

from pixelcnn_edu import _pictures, data, generation, models, training

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

FORMATS = ("png", "jpg", "gif", "webp")
EXACT = {"lossless": True, "exact": True}  # for WebP; other formats ignore it


def gray(value, size=(8, 8)):
    return Image.new("L", size, value)


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def load_one(image, path, size=(8, 8), channels=1, **options):
    """Return what becomes of a picture, (H, W, C), without `levels`.

    `load_folder` needs two pictures. The second one has the label 1.
    """
    saved = {key: options.pop(key) for key in list(options) if key not in ARGUMENTS}
    save(image, path / "a" / f"picture.{saved.pop('suffix', 'png')}", **saved)
    save(gray(0), path / "b" / "other.png")
    options = {"levels": None, "fit": "crop", **options}
    parts = data.load_folder(path, size, channels, validation=0.5, **options)
    images, labels = (np.concatenate(both) for both in zip(*parts, strict=True))
    return images[labels == 0][0]


ARGUMENTS = ("levels", "fit", "invert")


def everything(parts):
    (x_train, y_train), (x_val, y_val) = parts
    return np.concatenate([x_train, x_val]), np.concatenate([y_train, y_val])


def shades(folder, classes=("cat", "dog"), count=10):
    """Write pictures that differ in their gray value, ``count`` for each class."""
    for label, name in enumerate(classes):
        for k in range(count):
            save(gray(20 * label * count + 2 * k), folder / name / f"{k:02}.png")
    return folder


# ------------------------------------------------------- what a picture becomes: oracles

STORED_AS = {  # how a camera that writes this EXIF orientation stores the picture
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def check_orientation(path):
    """A picture with four gray quarters is the same in all eight orientations."""
    quarters = np.array([[0, 80], [160, 240]], "uint8")
    upright = Image.fromarray(
        quarters.repeat(32, 0).repeat(16, 1)
    )  # 64 rows, 32 columns
    for orientation, change in STORED_AS.items():
        stored = upright if change is None else upright.transpose(change)
        exif = Image.Exif()
        exif[0x0112] = orientation
        for suffix in ("jpg", "png", "webp"):
            options = {"quality": 100} if suffix == "jpg" else {}
            image = load_one(
                stored,
                path / f"{orientation} {suffix}",
                (64, 32),
                suffix=suffix,
                exif=exif,
                **options,
                **(EXACT if suffix == "webp" else {}),
            )
            corners = 255 * image[::63, ::31, 0]
            np.testing.assert_allclose(corners, quarters, atol=3)


def check_white_paper(path):
    """Transparent black is white, and half of it is half gray, in every format."""
    clear = {
        "RGBA": Image.new("RGBA", (8, 8), (0, 0, 0, 0)),
        "LA": Image.new("LA", (8, 8), (0, 0)),
        "P": Image.new("P", (8, 8), 0),
        "L": gray(0),
        "RGB": Image.new("RGB", (8, 8)),
        "1": Image.new("1", (8, 8)),
        "I;16": Image.fromarray(np.full((8, 8), 300, "uint16")),
    }
    tags = {
        "P": {"transparency": 0},
        "L": {"transparency": 0},
        "1": {"transparency": 0},
        "RGB": {"transparency": (0, 0, 0)},
        "I;16": {"transparency": 300},
    }
    for mode, image in clear.items():
        for channels in (1, 3):
            place = path / f"{mode} {channels}".replace(";", " ")
            loaded = load_one(image, place, channels=channels, **tags.get(mode, {}))
            assert (loaded == 1).all(), mode
    gif = load_one(clear["P"], path / "gif", suffix="gif", transparency=0)
    webp = load_one(clear["RGBA"], path / "webp", suffix="webp", **EXACT)
    assert (gif == 1).all()
    assert (webp == 1).all()
    half = load_one(Image.new("RGBA", (8, 8), (0, 0, 0, 128)), path / "half")
    np.testing.assert_allclose(half, 127 / 255, atol=0.003)


def check_average_then_round(path):
    """Fine stripes whose mean is dark become dark, not a mix of black and white."""
    stripes = np.tile(np.array([90, 140], "uint8"), (64, 32))
    image = load_one(Image.fromarray(stripes), path, levels=2)
    assert (image == 0).all()


def check_every_pixel_counts(path):
    """A fine checkerboard becomes gray: no pixel is left out while it is resized."""
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype("uint8")
    np.testing.assert_allclose(load_one(Image.fromarray(board), path), 0.5, atol=0.02)


def check_crop(path):
    """Of three squares side by side (or one above the other), the middle one is left."""
    row = np.array([[40, 120, 200]], "uint8").repeat(30, 0).repeat(30, 1)
    for name, values in (("wide", row), ("tall", row.T)):
        image = load_one(Image.fromarray(values), path / name, (10, 10))
        np.testing.assert_allclose(255 * image[2:-2, 2:-2], 120, atol=3)
        np.testing.assert_allclose(image + image[::-1, ::-1], 240 / 255, atol=0.02)


def check_pad(path):
    """A wide (or tall) dark picture is shown as a whole, in the center, on white."""
    for name, size in (("wide", (40, 20)), ("tall", (20, 40))):
        image = load_one(gray(0, size), path / name, (8, 8), fit="pad")[..., 0]
        image = image if name == "wide" else image.T
        assert (image[2:6] == 0).all()
        assert (image[:2] == 1).all()
        assert (image[6:] == 1).all()


def check_sixteen_bits(path):
    """Gray of 16 bits keeps all its bits."""
    values = np.linspace(0, 65535, 64).astype("uint16").reshape(8, 8)
    values[0, :3] = 32768, 32800, 32767
    image = load_one(Image.fromarray(values), path / "1")[..., 0]
    np.testing.assert_allclose(image, values / 65535, atol=1e-6)
    color = load_one(Image.fromarray(values), path / "3", channels=3)
    np.testing.assert_array_equal(color, np.stack([image] * 3, -1))


def check_first_frame(path):
    """Of several frames, the first one counts."""
    frames = {"append_images": [gray(255)], "save_all": True}
    for suffix, options in (("gif", {}), ("webp", EXACT), ("jpg", {"format": "MPO"})):
        place = path / suffix
        image = load_one(gray(0), place, suffix=suffix, **frames, **options)
        with Image.open(place / "a" / f"picture.{suffix}") as file:
            assert file.n_frames == 2
        assert (image == 0).all()


def check_order(path):
    """The order in which the system lists the files changes nothing."""
    folder = path / "pictures"
    if not folder.exists():
        shades(folder, ("dog", "ant", "cat"), count=6)
    found = Path.iterdir
    loaded = []
    for turn in range(3):

        def shuffled(self, turn=turn):
            listed = sorted(found(self))
            random.Random(turn).shuffle(listed)
            return iter(listed)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "iterdir", shuffled)
            assert data.folder_classes(folder) == ["ant", "cat", "dog"]
            loaded.append(everything(data.load_folder(folder, levels=None)))
    for images, labels in loaded[1:]:
        np.testing.assert_array_equal(images, loaded[0][0])
        np.testing.assert_array_equal(labels, loaded[0][1])


def png(width, height, bits=8, kind=0, rows=b"\0"):
    """Return a PNG file, with ``rows`` as its data, even if the data are too short."""

    def chunk(name, body):
        checksum = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + checksum

    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def check_bomb(path):
    """A picture with too many pixels is refused by its header and never decoded."""
    path.mkdir(exist_ok=True)
    (path / "a.png").write_bytes(png(9_000, 8_000))
    (path / "b.png").write_bytes(png(11_000, 10_000))
    (path / "c.png").write_bytes(png(60_000, 60_000))
    (path / "d.gif").write_bytes(
        b"GIF89a" + struct.pack("<HHBBB", 65535, 9000, 0, 0, 0)
    )
    decoded = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageFile.ImageFile, "load", decoded.append)
        with pytest.raises(ValueError) as caught:
            data.load_folder(path)
    assert not decoded
    message = str(caught.value)
    assert "'a.png': 9,000 × 8,000 pixels, more than the 64,000,000" in message
    assert "'b.png': 11,000 × 10,000 pixels" in message
    assert "'c.png'" in message
    assert "'d.gif'" in message


def check_only_four_formats(path):
    """A file of another format is not decoded, whatever its name says."""
    save(gray(0), path / "a.png")
    save(gray(0), path / "tiff.png", format="TIFF")
    save(gray(0), path / "bmp.jpg", format="BMP")
    with pytest.raises(ValueError) as caught:
        data.load_folder(path)
    for name in ("tiff.png", "bmp.jpg"):
        assert f"'{name}': not a PNG, JPEG, GIF or WebP picture" in str(caught.value)


def check_hidden(path):
    """Hidden names and other files are not read."""
    shades(path, count=2)
    for name in (
        "cat/.a.png",
        "cat/._00.png",
        ".trash/b.png",
        "cat/notes.txt",
        "Thumbs.db",
    ):
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_bytes(b"no picture")
    (path / "empty").mkdir(exist_ok=True)
    assert data.folder_classes(path) == ["cat", "dog"]
    assert len(everything(data.load_folder(path))[0]) == 4


ORACLES = [
    check_orientation,
    check_white_paper,
    check_average_then_round,
    check_every_pixel_counts,
    check_crop,
    check_pad,
    check_sixteen_bits,
    check_first_frame,
    check_order,
    check_bomb,
    check_only_four_formats,
    check_hidden,
]


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda oracle: oracle.__name__)
def test_a_picture_becomes_the_right_numbers(oracle, tmp_path):
    oracle(tmp_path)


def rounded_first(image, size):
    return ImageOps.fit(image.point(lambda v: 255 * (v > 127)), size)


def wrong_way_round(image):
    turned = image.getexif().get(0x0112) in (6, 8)
    upright = ImageOps.exif_transpose(image)
    return upright.rotate(180) if turned else upright


def last_frame(image):
    if getattr(image, "n_frames", 1) > 1:
        image.seek(1)
    return image.copy()


def with_fits(**fits):
    return {**_pictures.FITS, **fits}


def without_alpha(image, channels, rawmode=None):
    if image.mode.startswith("I"):
        return Image.fromarray(np.asarray(image, "float32") / np.float32(257))
    return image.convert("L" if channels == 1 else "RGB")


def through_alpha(image, channels, rawmode=None):
    return image.convert("RGBA").convert("L" if channels == 1 else "RGB")


def all_entries(folder):
    return sorted(folder.iterdir())


FAULTS = {
    "the orientation is forgotten": (check_orientation, "_upright", lambda i: i.copy()),
    "left and right rotation are exchanged": (
        check_orientation,
        "_upright",
        wrong_way_round,
    ),
    "transparency is dropped": (check_white_paper, "_on_white", without_alpha),
    "transparency on black": (check_white_paper, "_on_white", through_alpha),
    "rounded before the average": (
        check_average_then_round,
        "FITS",
        with_fits(crop=rounded_first),
    ),
    "the nearest pixel": (
        check_every_pixel_counts,
        "FITS",
        with_fits(crop=partial(ImageOps.fit, method=Image.Resampling.NEAREST)),
    ),
    "cropped at one end": (
        check_crop,
        "FITS",
        with_fits(crop=partial(ImageOps.fit, centering=(0, 0))),
    ),
    "stretched": (
        check_crop,
        "FITS",
        with_fits(crop=lambda image, size: image.resize(size)),
    ),
    "padded with black": (check_pad, "FITS", with_fits(pad=ImageOps.pad)),
    "padded at one end": (
        check_pad,
        "FITS",
        with_fits(pad=partial(ImageOps.pad, color="white", centering=(0, 0))),
    ),
    "16 bits cut to 8": (check_sixteen_bits, "_on_white", lambda i, *_: i.convert("L")),
    "the last frame": (check_first_frame, "_upright", last_frame),
    "the order of the system": (
        check_order,
        "_entries",
        lambda folder: [p for p in folder.iterdir() if not p.name.startswith(".")],
    ),
    "bombs are decoded": (check_bomb, "MOST_PIXELS", 10**12),
    "every format of Pillow": (check_only_four_formats, "FORMATS", None),
    "hidden files are read": (check_hidden, "_entries", all_entries),
}


@pytest.mark.parametrize("name", FAULTS)
def test_planted_faults_are_noticed(name, tmp_path, monkeypatch):
    oracle, attribute, fault = FAULTS[name]
    monkeypatch.setattr(_pictures, attribute, fault)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        oracle(tmp_path)


# ------------------------------------------------------------- modes, colors and sizes


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_is_read_whatever_the_case_of_its_suffix(suffix, tmp_path):
    options = EXACT if suffix == "webp" else {}
    for name in (suffix, suffix.upper()):
        image = load_one(gray(204), tmp_path / f"_{name}", suffix=name, **options)
        np.testing.assert_allclose(255 * image, 204, atol=1)


def test_colors_come_out_in_every_mode(tmp_path):
    color = (250, 100, 20)
    rgb = Image.new("RGB", (8, 8), color)
    modes = {
        "png": {m: rgb.convert(m) for m in ("RGB", "RGBA", "P")},
        "jpg": {m: rgb.convert(m) for m in ("RGB", "YCbCr", "CMYK")},
    }
    luma = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    for suffix, images in modes.items():
        for mode, image in images.items():
            near = 26 if mode == "P" else 4  # a palette has few colors
            place, options = tmp_path / mode, {"suffix": suffix}
            got = load_one(image, place / suffix, channels=3, **options)
            np.testing.assert_allclose(255 * got[0, 0], color, atol=near)
            got = load_one(image, place / f"{suffix} gray", **options)
            np.testing.assert_allclose(255 * got, luma, atol=near)


def test_gray_is_the_same_in_three_channels(tmp_path):
    image = load_one(gray(100), tmp_path, channels=3)
    assert image.shape == (8, 8, 3)
    np.testing.assert_array_equal(image, np.full((8, 8, 3), np.float32(100) / 255))


def test_colors_of_sixteen_bits_are_read_without_their_lower_eight(tmp_path):
    row = b"\0" + struct.pack(">HHH", 65535, 32768 + 255, 511) * 8
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(png(8, 8, bits=16, kind=2, rows=row * 8))
    (x, _), _ = data.load_folder(tmp_path, (8, 8), 3, levels=None)
    np.testing.assert_allclose(255 * x[0, 0, 0], [255, 128, 1], atol=1e-5)


def test_a_picture_of_one_bit_is_black_and_white(tmp_path):
    bits = Image.fromarray(np.eye(8, dtype=bool))
    np.testing.assert_array_equal(load_one(bits, tmp_path)[..., 0], np.eye(8))


def test_the_size_is_height_and_width(tmp_path):
    assert load_one(gray(9, (50, 40)), tmp_path, (6, 10)).shape == (6, 10, 1)


def test_a_large_photo_is_decoded_small_and_looks_the_same(tmp_path, monkeypatch):
    colors = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype="uint8")
    photo = Image.fromarray(colors).resize((1600, 1200), Image.Resampling.BICUBIC)
    save(photo, tmp_path / "a" / "picture.jpg", quality=95)
    with Image.open(tmp_path / "a" / "picture.jpg") as file:
        exact = load_one(file, tmp_path / "exact", (12, 16), 3)
    decoded, upright = [], _pictures._upright

    def recorded(image):
        decoded.append(image.size)
        return upright(image)

    monkeypatch.setattr(_pictures, "_upright", recorded)
    image = load_one(photo, tmp_path, (12, 16), 3, suffix="jpg", quality=95)
    np.testing.assert_allclose(255 * image, 255 * exact, atol=2)
    assert decoded[0] == (200, 150)


def test_a_line_of_pixels_is_read(tmp_path):
    for fit in _pictures.FITS:
        image = load_one(gray(0, (3000, 1)), tmp_path / fit, fit=fit)
        assert image.shape == (8, 8, 1)
        assert (image == 0).sum() == (8 if fit == "pad" else 64)  # one row of eight


def test_invert_makes_dark_ink_one_and_paper_zero(tmp_path):
    image = load_one(gray(51, (8, 4)), tmp_path, fit="pad", invert=True)
    np.testing.assert_allclose(image[2:6], 0.8, atol=1e-6)
    assert (image[:2] == 0).all()


def test_the_values_are_on_the_levels(tmp_path):
    ramp = Image.fromarray(np.arange(64, dtype="uint8").reshape(8, 8) * 4)
    whole = load_one(ramp, tmp_path / "whole")
    for levels in (2, 4, 256):
        image = load_one(ramp, tmp_path / f"{levels}", levels=levels)
        np.testing.assert_array_equal(image, data.quantize(whole[None], levels)[0])
        assert len(np.unique(image)) == min(levels, 64)


# ------------------------------------------------------------- folders, names and labels


def test_the_result_is_shaped_as_the_digits_are(tmp_path):
    (x, y), (x_val, y_val) = data.load_folder(shades(tmp_path))
    assert x.shape == (18, 28, 28, 1)
    assert x_val.shape == (2, 28, 28, 1)
    assert x.dtype == x_val.dtype == np.float32
    assert y.dtype == y_val.dtype == np.int64
    assert set(np.unique(x)) <= {0, 1}


def test_labels_follow_the_sorted_names_of_the_folders(tmp_path):
    folder = shades(tmp_path, ("b", "a", "C"), count=2)
    names = data.folder_classes(folder)
    assert names == ["C", "a", "b"]
    images, labels = everything(data.load_folder(folder, levels=None))
    written = {"b": (0, 2), "a": (40, 42), "C": (80, 82)}
    for image, label in zip(images, labels, strict=True):
        assert round(255 * float(image[0, 0, 0])) in written[names[label]]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_umlauts_work_and_sort_alike_in_both_spellings(form, tmp_path):
    umlaut = unicodedata.normalize(form, "Äpfel und Öl")
    folder = shades(tmp_path / "Größe 1", (umlaut, "Zebra"), count=2)
    save(gray(0), folder / "Zebra" / unicodedata.normalize(form, "süß.png"))
    names = data.folder_classes(folder)
    assert [unicodedata.normalize("NFC", n) for n in names] == ["Zebra", "Äpfel und Öl"]
    assert np.bincount(everything(data.load_folder(folder))[1]).tolist() == [3, 2]


def test_without_sub_folders_all_labels_are_zero(tmp_path):
    for k in range(4):
        save(gray(k), tmp_path / "mine" / f"{k}.png")
    images, labels = everything(data.load_folder(str(tmp_path / "mine")))
    assert labels.tolist() == [0] * 4
    assert data.folder_classes(tmp_path / "mine") == ["mine"]


def test_folders_inside_a_class_belong_to_the_class(tmp_path):
    save(gray(0), tmp_path / "cat" / "2024" / "may" / "a.png")
    save(gray(0), tmp_path / "cat" / "b.png")
    save(gray(0), tmp_path / "dog.png" / "c.png")  # a folder that is called like a file
    assert data.folder_classes(tmp_path) == ["cat", "dog.png"]
    labels = everything(data.load_folder(tmp_path))[1]
    assert np.bincount(labels).tolist() == [2, 1]


def test_pictures_beside_classes_are_refused(tmp_path):
    save(gray(0), shades(tmp_path, count=2) / "stray.png")
    for function in (data.load_folder, data.folder_classes):
        with pytest.raises(ValueError, match=r"(?s)Expected.* 1 beside .*stray\.png"):
            function(tmp_path)


def test_links_are_followed_but_not_in_circles(tmp_path):
    folder = shades(tmp_path / "all", count=2)
    elsewhere = save(gray(0), tmp_path / "elsewhere" / "a.png").parent
    try:
        (folder / "linked").symlink_to(elsewhere, target_is_directory=True)
    except OSError:
        pytest.skip("this system does not allow links")
    (folder / "cat" / "back").symlink_to(folder, target_is_directory=True)
    (folder / "dog" / "self").symlink_to(folder / "dog", target_is_directory=True)
    (folder / "root").symlink_to(folder, target_is_directory=True)
    (elsewhere / "nothing").symlink_to("nothing")
    assert data.folder_classes(folder) == ["cat", "dog", "linked"]
    labels = everything(data.load_folder(folder))[1]
    assert np.bincount(labels).tolist() == [2, 2, 1]


# --------------------------------------------------------------------- files with faults


def test_all_files_that_cannot_be_read_are_listed_at_once(tmp_path):
    folder = shades(tmp_path, count=2)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype="uint8")
    whole = save(Image.fromarray(noise), tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "whole.jpg").unlink()
    bad = {
        "cat/cut.jpg": whole[: len(whole) // 2],
        "cat/empty.gif": b"",
        "cat/früh.webp": b"RIFF\x10\0\0\0WEBPVP8 ",
        "dog/camera.DNG": b"II*\0",
        "dog/phone.heic": b"\0\0\0\x18ftypheic",
        "dog/text.png": b"no picture",
    }
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "dog" / "pipe.png")  # a read of it would never end
        bad["dog/pipe.png"] = None
    with pytest.raises(ValueError) as caught:
        data.load_folder(folder)
    first, *lines = str(caught.value).splitlines()
    assert first.startswith("Expected every picture to be a whole ")
    assert f"Received: {len(bad)} of {len(bad) + 4}" in first
    assert [line.split("'")[1] for line in lines] == sorted(bad)
    assert "not a PNG, JPEG, GIF or WebP picture" in lines[-1]


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "P", "I;16", "RGBA"])
@pytest.mark.parametrize("damage", ["end", "bit"])
def test_a_damaged_png_is_not_read_as_another_picture(tmp_path, mode, damage):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype="uint8")
    whole = Image.fromarray(noise)
    whole = whole.convert("I").convert(mode) if mode == "I;16" else whole.convert(mode)
    path = save(whole, tmp_path / "damaged.png")
    save(whole, tmp_path / "whole.png")
    data.load_folder(tmp_path, (64, 64))
    raw, rng = path.read_bytes(), random.Random(0)
    pixels = raw.index(b"IDAT") + 4
    for _ in range(20):
        at, bad = rng.randrange(pixels, len(raw) - 16), bytearray(raw)
        if damage == "end":
            bad[at:] = bytes(len(raw) - at)
        else:
            bad[at] ^= 1 << rng.randrange(8)
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"(?s)1 of 2.*damaged\.png"):
            data.load_folder(tmp_path, (64, 64))


@pytest.mark.parametrize("default", [False, True])
def test_an_animated_png_is_read(tmp_path, default):
    frames = [gray(50), gray(100), gray(150)]
    for k in range(2):
        how = {"save_all": True, "append_images": frames[1:], "default_image": default}
        save(frames[0], tmp_path / f"{k}.png", **how)
    (x, _), (x_val, _) = data.load_folder(tmp_path, (8, 8), levels=256)
    assert len(x) + len(x_val) == 2
    for images in (x, x_val):
        assert (np.round(images * 255) == 50).all()


def test_a_broken_link_is_listed_too(tmp_path):
    folder = shades(tmp_path, count=2)
    try:
        (folder / "cat" / "gone.png").symlink_to("nowhere.png")
    except OSError:
        pytest.skip("this system does not allow links")
    with pytest.raises(ValueError, match=r"1 of 5.*\s+'cat/gone\.png': not a file"):
        data.load_folder(folder)


def test_a_folder_without_pictures_or_none_at_all_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture", "utf-8")
    for function in (data.load_folder, data.folder_classes):
        with pytest.raises(ValueError, match="Expected path .*, which has none"):
            function(tmp_path)
        with pytest.raises(ValueError, match="Expected path to be a folder"):
            function(tmp_path / "notes.txt")
        with pytest.raises(FileNotFoundError, match="Expected path to be a folder"):
            function(tmp_path / "nowhere")
        with pytest.raises(ValueError, match="Expected path to be a path"):
            function(3)
    save(gray(0), tmp_path / "one.png")
    with pytest.raises(ValueError, match="at least two pictures"):
        data.load_folder(tmp_path)


BAD = {
    "size": [28, (28,), (28, 28, 1), (0, 28), (28, 2.5), "28", None, (10**9, 10**9)],
    "channels": [0, 2, 4, 1.0, True, "RGB", None, [1, 3], np.array([1, 3])],
    "levels": [1, 2.5, 2**17, "2"],
    "fit": ["stretch", None, 1, np.array(["crop", "pad"])],
    "invert": [1, "yes", None],
    "validation": [0, 1, -0.1, 2, float("nan"), "x", None],
    "seed": [-1, 1.5, "x", None],
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_refused_before_a_file_is_read(name, tmp_path):
    for value in BAD[name]:
        with pytest.raises(ValueError, match=rf"Expected .*{name}.* Received: "):
            data.load_folder(tmp_path / "nowhere", **{name: value})


# -------------------------------------------------------------------------- the two parts


def test_each_picture_is_in_one_part_and_each_class_has_its_share(tmp_path):
    folder = shades(tmp_path, ("a", "b"), count=10)
    save(gray(255), folder / "c" / "0.png")
    for k in range(1, 30):
        save(gray(255 - k), folder / "c" / f"{k}.png")
    parts = data.load_folder(folder, levels=None, validation=0.2)
    assert np.bincount(parts[0][1]).tolist() == [8, 8, 24]
    assert np.bincount(parts[1][1]).tolist() == [2, 2, 6]
    values = np.round(255 * everything(parts)[0][:, 0, 0, 0]).astype(int)
    written = [2 * k for k in range(10)] + [200 + 2 * k for k in range(10)]
    assert sorted(values) == sorted(written + [255 - k for k in range(30)])


def test_the_seed_fixes_the_split_and_the_order(tmp_path):
    folder = shades(tmp_path)
    one, same, other = (
        data.load_folder(folder, levels=None, seed=seed, validation=0.3)
        for seed in (1, 1, 2)
    )
    for part, again in zip(one, same, strict=True):
        for array, equal in zip(part, again, strict=True):
            np.testing.assert_array_equal(array, equal)
    chosen = [{image.tobytes() for image in parts[1][0]} for parts in (one, other)]
    assert chosen[0] != chosen[1]
    labels = one[0][1]
    assert (np.diff(labels) != 0).sum() > 1  # not class after class


def test_both_parts_have_a_picture(tmp_path):
    shades(tmp_path, ("a",), count=3)
    for validation, count in ((0.01, 1), (0.5, 2), (0.99, 2)):
        (x, _), (x_val, _) = data.load_folder(tmp_path, validation=validation)
        assert (len(x), len(x_val)) == (3 - count, count)


# ----------------------------------------------------------------------------- end to end


def test_a_network_trains_on_a_folder_and_draws(tmp_path):
    for k in range(8):
        stripes = np.zeros((16, 16), "uint8")
        stripes[k % 4 :: 4] = 255
        save(Image.fromarray(stripes), tmp_path / "rows" / f"{k}.png")
        save(Image.fromarray(stripes.T), tmp_path / "columns" / f"{k}.webp", **EXACT)
    names = data.folder_classes(tmp_path)
    (x, y), (x_val, y_val) = data.load_folder(tmp_path, (8, 8), validation=0.25)
    model = models.gated_pixelcnn((8, 8, 1), filters=2, depth=1, num_classes=len(names))
    history = training.fit(
        model,
        x,
        labels=y,
        validation_images=x_val,
        validation_labels=y_val,
        epochs=1,
        verbose=0,
    )
    assert np.isfinite(history.history["val_loss"]).all()
    drawn = generation.generate(model, 2, seed=0, labels=names.index("rows"))
    assert drawn.shape == (2, 8, 8, 1)
    assert set(np.unique(drawn)) <= {0, 1}


def low_bit_png(path, bits, value, clear):
    """Write a gray PNG of 8 x 8 pixels of few bits with one transparent value, by hand."""

    def chunk(kind, content):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    one = 0
    for _ in range(8 // bits):
        one = one << bits | value
    rows = (b"\0" + bytes([one]) * bits) * 8
    header = struct.pack(">IIBBBBB", 8, 8, bits, 0, 0, 0, 0)
    path.parent.mkdir(parents=True)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"tRNS", struct.pack(">H", clear))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_transparent_value_of_few_bits_is_white(tmp_path, bits):
    low_bit_png(tmp_path / "a" / "clear.png", bits, 1, 1)
    low_bit_png(tmp_path / "b" / "opaque.png", bits, 1, 0)
    parts = data.load_folder(tmp_path, (8, 8), levels=None, validation=0.5)
    images, labels = everything(parts)
    assert (images[labels == 0] == 1).all()
    np.testing.assert_allclose(images[labels == 1], 1 / (2**bits - 1), atol=1e-6)


@pytest.mark.parametrize("suffix", ["jfif", "jpe"])
def test_a_jpeg_file_may_have_another_suffix(suffix, tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    for k in range(2):
        gray(0).save(folder / f"{k}.{suffix}", "JPEG")
    (x, _), (x_val, _) = data.load_folder(tmp_path, (8, 8))
    assert len(x) + len(x_val) == 2


def test_a_transparent_color_of_16_bits_is_refused(tmp_path):
    def chunk(kind, body):
        parts = struct.pack(">I", len(body)), kind, body
        return b"".join(parts) + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
    color = struct.pack(">HHH", 1000, 2000, 3000)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + color)) + chunk(b"IEND", b"")
    for name, middle in (("with", chunk(b"tRNS", color)), ("without", b"")):
        file = b"\x89PNG\r\n\x1a\n" + header + middle + pixels
        (tmp_path / f"{name}.png").write_bytes(file)
    with pytest.raises(ValueError, match="(?s)1 of 2.*'with.png': a transparent color"):
        data.load_folder(tmp_path, (1, 1), 3)
