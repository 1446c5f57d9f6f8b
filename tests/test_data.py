"""Data: the bundled digits, files of digits, a folder of pictures, and preparations."""

from pixelcnn_edu import data

import keras
import numpy as np
import pytest
from PIL import Image


def test_bundled_digits_are_balanced_and_kept_apart():
    (x_train, y_train), (x_test, y_test) = data.load_mnist()
    assert x_train.shape == (4000, 28, 28, 1)
    assert x_test.shape == (1000, 28, 28, 1)
    assert (np.bincount(y_train) == 400).all()
    assert (np.bincount(y_test) == 100).all()
    assert (np.diff(y_train) != 0).mean() > 0.8  # shuffled
    seen = {image.tobytes() for image in x_train}
    assert not any(image.tobytes() in seen for image in x_test)


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (6, 28, 28), dtype="uint8"),
        "y_train": np.arange(6, dtype="uint8"),
        "x_test": rng.integers(0, 256, (3, 28, 28), dtype="uint8"),
        "y_test": np.arange(3, dtype="uint8"),
    }


def assert_loaded(loaded, arrays):
    for (images, labels), part in zip(loaded, ("train", "test"), strict=True):
        assert images.dtype == np.float32 and labels.dtype == np.int64
        np.testing.assert_array_equal(
            np.round(images * 255).astype("uint8")[..., 0], arrays[f"x_{part}"]
        )
        np.testing.assert_array_equal(labels, arrays[f"y_{part}"])


def test_an_npz_file_is_read(arrays, tmp_path):
    np.savez(tmp_path / "mnist.npz", **arrays)
    assert_loaded(data.load_mnist(tmp_path / "mnist.npz"), arrays)
    assert_loaded(data.load_mnist(str(tmp_path / "mnist.npz")), arrays)


def test_full_is_what_keras_loads(arrays, monkeypatch):
    parts = [(arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test")]
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: parts)
    assert_loaded(data.load_mnist("full"), arrays)


def test_full_without_a_network_says_what_failed_and_what_to_do(monkeypatch):
    def no_network():
        raise OSError("name resolution failed")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", no_network)
    words = "name resolution failed.*source='bundled' works without a network"
    with pytest.raises(ConnectionError, match=words):
        data.load_mnist("full")


def test_missing_files_and_arrays_are_named(arrays, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        data.load_mnist(tmp_path / "nowhere")
    del arrays["y_test"]
    np.savez(tmp_path / "three.npz", **arrays)
    with pytest.raises(ValueError, match="y_test"):
        data.load_mnist(tmp_path / "three.npz")


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("x_train", np.zeros((6, 28, 28), "float32")),
        ("x_train", np.zeros((6, 28, 28, 1), "uint8")),
        ("y_train", np.zeros(5, "uint8")),
        ("y_train", np.full(6, 1.7)),
    ],
)
def test_arrays_of_the_wrong_form_are_refused(arrays, tmp_path, name, array):
    np.savez(tmp_path / "mine.npz", **{**arrays, name: array})
    with pytest.raises(ValueError, match="uint8 images .*mine.npz"):
        data.load_mnist(tmp_path / "mine.npz")


def numbered(count):
    """Images that carry their own number, and labels that are sorted by class."""
    images = np.arange(count).reshape(count, 1, 1, 1) / 1000
    return images.astype("float32"), np.sort(np.arange(count) % 7)


def numbers(images):
    return np.round(images.ravel() * 1000).astype(int).tolist()


@pytest.mark.parametrize("count", [1, 2, 33, 99])
@pytest.mark.parametrize("seed", [0, 5])
def test_images_held_out_are_apart_and_together_the_whole(count, seed):
    images, labels = numbered(100)
    train, held_out = data.hold_out(images, labels, count, seed=seed)
    both = numbers(train[0]) + numbers(held_out[0])
    assert len(held_out[0]) == count and sorted(both) == list(range(100))
    for x, y in (train, held_out):
        assert numbers(x) == sorted(numbers(x))  # in the order of the whole
        np.testing.assert_array_equal(y, labels[numbers(x)])
        assert x.dtype == np.float32


def test_each_class_gives_its_share_whatever_the_order():
    (x, y), _ = data.load_mnist()
    for order in (np.arange(4000), np.argsort(y, kind="stable")):
        _, (_, y_val) = data.hold_out(x[order], y[order], 400)
        assert (np.bincount(y_val) == 40).all()
    images, labels = numbered(100)
    shares = np.bincount(labels) * 33 / 100
    for seed in range(20):
        _, (_, y_val) = data.hold_out(images, labels, 33, seed=seed)
        assert (abs(np.bincount(y_val, minlength=7) - shares) < 1).all()


def test_every_image_is_held_out_as_often_as_any_other():
    images, labels = numbered(28)
    times = np.zeros(28)
    for seed in range(600):
        _, (x_val, _) = data.hold_out(images, labels, 7, seed=seed)
        times[numbers(x_val)] += 1
    # a quarter of 600, and the chance of one image scatters by about 11
    assert (abs(times - 150) < 5 * 11).all()


def test_holding_out_names_its_bad_arguments():
    images, labels = numbered(10)
    for count in (0, 10, 11, 2.5, True):
        with pytest.raises(ValueError, match="count"):
            data.hold_out(images, labels, count)
    with pytest.raises(ValueError, match=r"labels of shape \(10,\)"):
        data.hold_out(images, labels[:9], 3)
    with pytest.raises(ValueError, match="seed"):
        data.hold_out(images, labels, 3, seed=None)
    with pytest.raises(ValueError, match="shape"):
        data.hold_out(images[..., 0], labels, 3)


def test_binarize_draws_with_the_grey_value_as_probability():
    gray = np.linspace(0, 1, 5, dtype="float32").reshape(1, 1, 5, 1)
    drawn = data.binarize(np.repeat(gray, 20_000, axis=0), seed=0)
    assert set(np.unique(drawn)) == {0.0, 1.0}
    share = drawn.mean(axis=0).ravel()
    np.testing.assert_allclose(share, gray.ravel(), atol=0.02)
    assert share[0] == 0
    assert share[-1] == 1


def test_binarize_is_fixed_by_a_seed_and_fresh_without():
    gray = np.full((2, 9, 9, 1), 0.5, "float32")
    np.testing.assert_array_equal(
        data.binarize(gray, seed=3), data.binarize(gray, seed=3)
    )
    assert (data.binarize(gray, seed=3) != data.binarize(gray, seed=4)).any()
    assert (data.binarize(gray) != data.binarize(gray)).any()


def test_binarize_with_a_threshold_is_mnist_s_x_above_127():
    gray = (np.arange(256) / 255).astype("float32").reshape(1, 16, 16, 1)
    drawn = data.binarize(gray, threshold=0.5).ravel()
    np.testing.assert_array_equal(drawn, np.arange(256) > 127)


@pytest.mark.parametrize("levels", [2, 3, 4, 16, 256])
def test_quantize_takes_the_nearest_level_and_repeats_itself(levels):
    gray = np.random.default_rng(0).random((2, 9, 9, 1), dtype="float32")
    quantized = data.quantize(gray, levels)
    assert np.abs(quantized - gray).max() <= 0.5 / (levels - 1) + 1e-6
    data.check_images(quantized, levels=levels)
    np.testing.assert_array_equal(data.quantize(quantized, levels), quantized)


def test_colored_digits_have_two_colors_that_differ():
    binary = data.binarize(data.load_mnist()[1][0][:200], seed=0)
    colored = data.colorize(binary, seed=1)
    assert colored.shape == (200, 28, 28, 3) and colored.dtype == np.float32
    for image, ink in zip(colored, binary[..., 0] == 1, strict=True):
        (first,), (second,) = (np.unique(image[mask], axis=0) for mask in (ink, ~ink))
        assert (first != second).any()
    np.testing.assert_array_equal(np.unique(np.round(colored * 3)), [0, 1, 2, 3])
    np.testing.assert_array_equal(data.colorize(binary, seed=1), colored)
    assert (data.colorize(binary, seed=2) != colored).any()
    corners = np.unique(np.round(colored[:, 0, 0] * 3) @ [16, 4, 1])
    assert len(corners) > 50


def test_gray_pixels_lie_between_the_two_colors():
    gray = np.linspace(0, 1, 28).reshape(1, 4, 7, 1)
    colored = data.colorize(gray, seed=0)[0].reshape(28, 3)
    steps = np.diff(np.round(colored * 3), axis=0)
    assert ((steps >= 0).all(axis=0) | (steps <= 0).all(axis=0)).all()
    with pytest.raises(ValueError, match=r"None, None, 1|, 1\)"):
        data.colorize(np.zeros((1, 4, 4, 3)))


@pytest.mark.parametrize("levels", [2**16, 60_001, 50_000, 2**15 + 1, 257])
def test_the_highest_numbers_of_levels_are_exact(levels):
    values = np.arange(levels, dtype="float32") / np.float32(levels - 1)
    images = values.reshape(1, -1, 1, 1)
    np.testing.assert_array_equal(data.quantize(images, levels), images)
    np.testing.assert_array_equal(data.check_images(images, levels=levels), images)
    with pytest.raises(ValueError, match="levels <= 65,536"):
        data.quantize(images, 2**16 + 1)


def test_exclude_compares_values_and_shapes():
    zeros = np.zeros((1, 2, 3, 1))
    assert len(data.exclude(-zeros, [1], zeros)[0]) == 0
    assert len(data.exclude(zeros, [1], np.zeros((1, 3, 2, 1)))[0]) == 1
    for labels in (1, [1, 2]):
        with pytest.raises(ValueError, match=r"labels of shape \(1,\)"):
            data.exclude(zeros, labels, zeros)


def test_levels_that_are_not_divided_are_named():
    images = np.arange(4).reshape(1, 2, 2, 1)
    with pytest.raises(ValueError, match="Divide by 3[.]"):
        data.check_images(images, levels=4)
    with pytest.raises(ValueError, match="Divide by 255[.]"):
        data.check_images(images * 40, levels=4)


# ---------------------------------------------------------------- a folder of pictures


def gray(value, size=(8, 8)):
    return Image.new("L", size, value)


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def load_one(image, folder, size=(8, 8), channels=1, *, name="a.png", **how):
    """Return what becomes of a picture, (H, W, C), without `levels`.

    `load_folder` needs two pictures. The second one has the label 1.
    """
    fit = {key: how.pop(key) for key in ("fit", "invert", "levels") if key in how}
    save(image, folder / "a" / name, **how)
    save(gray(0), folder / "b" / "other.png")
    settings = {"levels": None, "validation": 0.5, **fit}
    images, labels = everything(data.load_folder(folder, size, channels, **settings))
    return images[labels == 0][0]


def everything(parts):
    return (np.concatenate(both) for both in zip(*parts, strict=True))


def shades(folder, classes=("cat", "dog"), count=10):
    """Write pictures that differ in their gray value, ``count`` for each class."""
    for label, name in enumerate(classes):
        for k in range(count):
            save(gray(20 * label * count + 2 * k), folder / name / f"{k:02}.png")
    return folder


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_photo_is_turned_upright(orientation, tmp_path):
    turn = {3: "ROTATE_180", 6: "ROTATE_90", 8: "ROTATE_270"}.get(orientation)
    quarters = np.array([[0, 80], [160, 240]], "uint8")
    upright = Image.fromarray(quarters.repeat(32, 0).repeat(16, 1))  # 64 × 32
    stored = upright.transpose(Image.Transpose[turn]) if turn else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = load_one(stored, tmp_path, (64, 32), name="a.jpg", exif=exif, quality=100)
    np.testing.assert_allclose(255 * image[::63, ::31, 0], quarters, atol=3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_black_is_white(mode, tmp_path):
    clear = Image.new(mode, (8, 8), {"RGBA": (0,) * 4, "LA": (0, 0), "P": 0}[mode])
    how = {"transparency": 0} if mode == "P" else {}
    for channels in (1, 3):
        image = load_one(clear, tmp_path / str(channels), channels=channels, **how)
        assert image.shape == (8, 8, channels) and (image == 1).all()


def test_values_are_averaged_before_they_are_rounded(tmp_path):
    """Fine stripes whose mean is dark become dark, not a mix of black and white."""
    stripes = np.tile(np.array([90, 140], "uint8"), (64, 32))
    assert (load_one(Image.fromarray(stripes), tmp_path, levels=2) == 0).all()


@pytest.mark.parametrize("is_tall", [False, True])
def test_crop_keeps_the_middle_and_pad_keeps_all(is_tall, tmp_path):
    row = np.array([[40, 120, 200]], "uint8").repeat(30, 0).repeat(30, 1)
    values = row.T if is_tall else row
    image = load_one(Image.fromarray(values), tmp_path / "crop", (10, 10))
    np.testing.assert_allclose(255 * image[2:-2, 2:-2], 120, atol=3)
    size = (20, 40) if is_tall else (40, 20)
    image = load_one(gray(0, size), tmp_path / "pad", fit="pad")[..., 0]
    image = image.T if is_tall else image
    assert (image[2:6] == 0).all() and (image[[0, 1, 6, 7]] == 1).all()


def test_gray_of_sixteen_bits_keeps_all_its_bits(tmp_path):
    values = np.linspace(0, 65535, 64).astype("uint16").reshape(8, 8)
    image = load_one(Image.fromarray(values), tmp_path)[..., 0]
    np.testing.assert_allclose(image, values / 65535, atol=1e-6)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "PNG"])
def test_every_format_is_read_and_its_first_frame_counts(suffix, tmp_path):
    how = {"lossless": True} if suffix == "webp" else {}
    if suffix in ("gif", "webp"):
        how |= {"append_images": [gray(255)], "save_all": True}
    image = load_one(gray(204), tmp_path, name=f"a.{suffix}", **how)
    np.testing.assert_allclose(255 * image, 204, atol=1)


def test_colors_come_out_and_gray_is_their_luma(tmp_path):
    color = (250, 100, 20)
    for mode in ("RGB", "RGBA", "CMYK"):
        name = "a.jpg" if mode == "CMYK" else "a.png"
        image = Image.new("RGB", (8, 8), color).convert(mode)
        got = load_one(image, tmp_path / mode, channels=3, name=name)
        np.testing.assert_allclose(255 * got[0, 0], color, atol=4)
        got = load_one(image, tmp_path / f"{mode} gray", name=name)
        np.testing.assert_allclose(255 * got[0, 0], np.dot(color, LUMA), atol=4)


LUMA = (0.299, 0.587, 0.114)


def test_invert_makes_dark_ink_one_and_paper_zero(tmp_path):
    assert (load_one(gray(0), tmp_path, (6, 10), invert=True) == 1).all()


def test_labels_follow_the_sorted_names_of_the_folders(tmp_path):
    shades(tmp_path, ("dog", "ant", "cat"), count=6)
    save(gray(5), tmp_path / "cat" / "below" / "x.png")
    for name in ("cat/.a.png", ".trash/b.png", "cat/notes.txt", "empty/Thumbs.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no picture")
    assert data.folder_classes(tmp_path) == ["ant", "cat", "dog"]
    images, labels = everything(data.load_folder(tmp_path, levels=None))
    assert np.bincount(labels).tolist() == [6, 7, 6]
    dark = images[labels == 2].max()  # the first folder that `shades` writes
    assert dark < images[labels == 0].min()


def test_without_sub_folders_all_labels_are_zero(tmp_path):
    shades(tmp_path, ("mine",), count=4)
    assert data.folder_classes(tmp_path / "mine") == ["mine"]
    _, labels = everything(data.load_folder(tmp_path / "mine"))
    assert not labels.any()


def test_folders_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        data.load_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="which has none"):
        data.load_folder(tmp_path)
    save(gray(0), tmp_path / "one.png")
    with pytest.raises(ValueError, match="at least two pictures"):
        data.load_folder(tmp_path)
    save(gray(0), tmp_path / "cat" / "b.png")
    with pytest.raises(ValueError, match=r"all pictures in sub-folders.*'one\.png'"):
        data.load_folder(tmp_path)


def test_all_files_that_cannot_be_read_are_listed_at_once(tmp_path):
    save(gray(0), tmp_path / "good.png")
    (tmp_path / "text.png").write_text("no picture", "utf-8")
    whole = save(gray(7, (99, 99)), tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    save(gray(0), tmp_path / "tiff.png", format="TIFF")
    with pytest.raises(ValueError, match="3 of 4 that cannot be read") as caught:
        data.load_folder(tmp_path)
    assert all(name in str(caught.value) for name in ("text.png", "cut.jpg", "tiff.p"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("size", value) for value in (28, (28,), (0, 28), (1.5, 2))),
        *(("channels", value) for value in (2, "1", None)),
        *(("levels", value) for value in (1, 2.5)),
        *(("fit", value) for value in ("stretch", None)),
        *(("validation", value) for value in (0, 1, "half")),
        *(("seed", value) for value in (None, -1)),
        ("invert", 1),
        ("path", 3),
    ],
)
def test_bad_arguments_are_refused_before_a_file_is_read(name, value):
    with pytest.raises(ValueError, match=f"Expected {name}"):
        data.load_folder(**{"path": "nowhere", name: value})


def test_each_picture_is_in_one_part_and_each_class_has_its_share(tmp_path):
    shades(tmp_path)
    parts = data.load_folder(tmp_path, levels=None, validation=0.3, seed=1)
    (x, y), (x_val, y_val) = parts
    assert np.bincount(y).tolist() == [7, 7] and np.bincount(y_val).tolist() == [3, 3]
    assert len(np.unique(np.concatenate([x, x_val])[:, 0, 0])) == 20
    again = data.load_folder(tmp_path, levels=None, validation=0.3, seed=1)
    other = data.load_folder(tmp_path, levels=None, validation=0.3, seed=2)
    np.testing.assert_array_equal(x, again[0][0])
    assert (x != other[0][0]).any()
    (x, _), (x_val, _) = data.load_folder(tmp_path, validation=0.001)
    assert len(x) == 19 and len(x_val) == 1
