"""Data: the bundled digits, the file formats, damaged files, and what is refused."""

import gzip
import socket
import threading

from pixelcnn_edu import _digit_files, data

import keras
import numpy as np
import pytest
from keras.src.utils import file_utils


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (6, 28, 28), dtype="uint8"),
        "y_train": np.arange(6, dtype="uint8"),
        "x_test": rng.integers(0, 256, (3, 28, 28), dtype="uint8"),
        "y_test": np.arange(3, dtype="uint8"),
    }


def write_idx(folder, arrays, *, compress=False):
    for name, array in zip(_digit_files.IDX_FILES, arrays.values(), strict=True):
        raw = bytes([0, 0, 8, array.ndim])
        raw += np.array(array.shape, ">u4").tobytes() + array.tobytes()
        if compress:
            (folder / f"{name}.gz").write_bytes(gzip.compress(raw))
        else:
            (folder / name).write_bytes(raw)


def assert_loaded(loaded, arrays):
    (x_train, y_train), (x_test, y_test) = loaded
    for images, labels, part in ((x_train, y_train, "train"), (x_test, y_test, "test")):
        assert images.dtype == np.float32
        assert labels.dtype == np.int64
        np.testing.assert_array_equal(
            np.round(images * 255).astype("uint8")[..., 0], arrays[f"x_{part}"]
        )
        np.testing.assert_array_equal(labels, arrays[f"y_{part}"])


def test_bundled_digits_are_balanced_and_kept_apart():
    (x_train, y_train), (x_test, y_test) = data.load_mnist()
    assert x_train.shape == (4000, 28, 28, 1)
    assert x_test.shape == (1000, 28, 28, 1)
    assert (np.bincount(y_train) == 400).all()
    assert (np.bincount(y_test) == 100).all()
    assert (np.diff(y_train) != 0).mean() > 0.8  # shuffled
    seen = {image.tobytes() for image in x_train}
    assert not any(image.tobytes() in seen for image in x_test)


def test_bundled_digits_are_checked_against_their_checksum(tmp_path, monkeypatch):
    damaged = bytearray(data.BUNDLED.read_bytes())
    damaged[5000] ^= 1
    (tmp_path / "digits.npz").write_bytes(damaged)
    monkeypatch.setattr(data, "BUNDLED", tmp_path / "digits.npz")
    with pytest.raises(ValueError, match="digits.npz does not match its checksum"):
        data.load_mnist()


def test_an_npz_file_is_read(arrays, tmp_path):
    np.savez(tmp_path / "mnist.npz", **arrays)
    assert_loaded(data.load_mnist(tmp_path / "mnist.npz"), arrays)
    assert_loaded(data.load_mnist(str(tmp_path / "mnist.npz")), arrays)


@pytest.mark.parametrize("compress", [False, True])
def test_a_folder_of_idx_files_is_read(arrays, tmp_path, compress):
    write_idx(tmp_path, arrays, compress=compress)
    assert_loaded(data.load_mnist(tmp_path), arrays)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty folder of Keras's, and no network."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    (tmp_path / "datasets").mkdir()

    def no_network(*args, **kwargs):
        raise OSError("name resolution failed")

    monkeypatch.setattr(socket, "create_connection", no_network)
    return tmp_path


def test_full_is_what_lies_in_keras_s_cache(arrays, home):
    """A file with other bytes, too: Keras would delete it for its checksum."""
    path = home / "datasets" / "mnist.npz"
    counts = {"train": 60_000, "test": 10_000}
    for name, array in arrays.items():
        size = array.shape[1:3] and (4, 4)  # for a small file
        arrays[name] = np.resize(array, (counts[name[2:]], *size))
    np.savez(path, **arrays)
    assert_loaded(data.load_mnist("full"), arrays)
    assert path.exists()


def test_full_is_not_another_set_of_that_name(arrays, home):
    path = home / "datasets" / "mnist.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="60,000 and 10,000 digits in .*mnist.npz"):
        data.load_mnist("full")
    assert path.exists()


def test_full_is_what_keras_downloads(arrays, home, monkeypatch):
    def retrieve(origin, path, hook):
        np.savez(path, **arrays)

    monkeypatch.setattr(file_utils, "urlretrieve", retrieve)
    with pytest.raises(ConnectionError, match="hash does not match"):
        data.load_mnist("full")
    monkeypatch.setattr(file_utils, "validate_file", lambda *args, **kwargs: True)
    (home / "datasets" / "mnist.npz").unlink()
    assert_loaded(data.load_mnist("full"), arrays)


def test_full_without_a_network_says_what_failed_and_what_to_do(home):
    with pytest.raises(ConnectionError) as raised:
        data.load_mnist("full")
    for words in (
        "name resolution failed",
        "give its path as source=",
        "source='bundled' works",
    ):
        assert words in str(raised.value)


def test_full_on_a_network_that_hangs_ends_within_its_timeout(monkeypatch):
    server = socket.create_server(("127.0.0.1", 0))
    accepted = []
    threading.Thread(
        target=lambda: accepted.append(server.accept()[0]), daemon=True
    ).start()
    port = server.getsockname()[1]

    def hang():
        import urllib.request

        urllib.request.urlopen(f"http://127.0.0.1:{port}/mnist.npz")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", hang)
    monkeypatch.setattr(data, "DOWNLOAD_TIMEOUT_SECONDS", 0.3)
    with pytest.raises(ConnectionError, match="timed out"):
        data.load_mnist("full")
    for connection in (server, *accepted):
        connection.close()
    assert socket.getdefaulttimeout() is None


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def empty(path):
    path.write_bytes(b"")


def other_kind(path):
    path.write_bytes(b"<html>not found</html>")


def flip_a_bit(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 4
    path.write_bytes(raw)


def pickled(path):
    np.savez(path, **{name: np.array([{}], object) for name in _digit_files.ARRAYS})


@pytest.mark.parametrize("damage", [truncate, empty, other_kind, flip_a_bit, pickled])
def test_damaged_npz_files_are_refused_by_name(arrays, tmp_path, damage):
    path = tmp_path / "mnist.npz"
    np.savez_compressed(path, **arrays)
    damage(path)
    with pytest.raises(ValueError, match=r"Cannot read .*mnist\.npz"):
        data.load_mnist(path)


def test_a_header_that_moves_the_pixels_is_refused(arrays, tmp_path):
    path = tmp_path / "mnist.npz"
    np.savez(path, **arrays)
    raw = path.read_bytes()
    at = raw.index(b"v\x00{")  # the length of the first array's header
    path.write_bytes(raw[:at] + b"f" + raw[at + 1 :])
    with pytest.raises(ValueError, match="x_train.npy does not match its checksum"):
        data.load_mnist(path)


def wrong_magic(path):
    raw = path.read_bytes()
    path.write_bytes(b"\x00\x00\x0d" + raw[3:])


def too_long(path):
    path.write_bytes(path.read_bytes() + b"x")


def sizes_whose_product_is_0_in_64_bits(path):
    sizes = np.array([2**31, 2**31, 4], ">u4").tobytes()
    path.write_bytes(path.read_bytes()[:4] + sizes)


IDX_DAMAGE = [
    truncate,
    empty,
    other_kind,
    wrong_magic,
    too_long,
    sizes_whose_product_is_0_in_64_bits,
]


@pytest.mark.parametrize("damage", IDX_DAMAGE)
def test_damaged_idx_files_are_refused_by_name(arrays, tmp_path, damage):
    write_idx(tmp_path, arrays)
    damage(tmp_path / "t10k-images-idx3-ubyte")
    with pytest.raises(ValueError, match="t10k-images-idx3-ubyte"):
        data.load_mnist(tmp_path)


@pytest.mark.parametrize("damage", [truncate, empty, other_kind, flip_a_bit])
def test_damaged_compressed_idx_files_are_refused_by_name(arrays, tmp_path, damage):
    write_idx(tmp_path, arrays, compress=True)
    damage(tmp_path / "train-images-idx3-ubyte.gz")
    with pytest.raises(ValueError, match="train-images-idx3-ubyte.gz"):
        data.load_mnist(tmp_path)


def test_missing_files_and_arrays_are_named(arrays, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        data.load_mnist(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte"):
        data.load_mnist(tmp_path)
    del arrays["y_test"]
    np.savez(tmp_path / "three.npz", **arrays)
    with pytest.raises(ValueError, match="y_test"):
        data.load_mnist(tmp_path / "three.npz")


@pytest.mark.parametrize(
    ("shape", "kind", "words"),
    [
        ((6, 28, 28), "float32", "uint8 images"),
        ((6, 28, 0), "uint8", r"uint8 images.*\(6, 28, 0\)"),
        ((6, 28, 27), "uint8", r"one size. Received: \(28, 27\) and \(28, 28\)"),
    ],
)
def test_arrays_of_the_wrong_form_are_refused(arrays, tmp_path, shape, kind, words):
    arrays["x_train"] = np.zeros(shape, kind)
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(ValueError, match=words):
        data.load_mnist(tmp_path / "mine.npz")


def test_a_set_that_is_binarized_already_is_refused(arrays, tmp_path):
    for name in ("x_train", "x_test"):
        arrays[name] = (arrays[name] > 127).astype("uint8")
    arrays["x_train"][0] = 1
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(ValueError, match="from 0 to 255.*0 to 1 .*mine.npz"):
        data.load_mnist(tmp_path / "mine.npz")
    for name in ("x_train", "x_test"):
        arrays[name] *= 255
    np.savez(tmp_path / "mine.npz", **arrays)
    assert data.load_mnist(tmp_path / "mine.npz")[0][0].max() == 1


@pytest.mark.parametrize("highest", [3, 16, 63, 100, 127])
def test_a_set_of_other_levels_is_refused_and_a_dark_one_is_not(
    arrays, tmp_path, highest
):
    """Digits of the values 0 to 16, divided by 255, are almost black."""
    for name in ("x_train", "x_test"):
        arrays[name] = np.minimum(arrays[name], highest).astype("uint8")
        arrays[name][0, 0, 0] = highest
    np.savez(tmp_path / "mine.npz", **arrays)
    words = f"from 0 to 255.*values 0 to {highest} .*mine.npz.*by 255/{highest}"
    with pytest.raises(ValueError, match=words):
        data.load_mnist(tmp_path / "mine.npz")
    arrays["x_train"][0, 0, 0] = 128  # the test images may be darker
    np.savez(tmp_path / "mine.npz", **arrays)
    assert data.load_mnist(tmp_path / "mine.npz")[0][0].max() == np.float32(128 / 255)


@pytest.mark.parametrize("size", [4, 5, 7, 8, 15])
def test_an_idx_file_with_half_a_header_is_refused_by_name(arrays, tmp_path, size):
    write_idx(tmp_path, arrays)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=path.name):
        data.load_mnist(tmp_path)


@pytest.mark.parametrize(
    "labels",
    [
        np.array([1.7, 2.2, -0.5]),
        np.array([1, 2, np.nan]),
        np.array([1, 2, 2**63 + 5], "uint64"),
        np.array(["one", "two", "three"]),
    ],
)
def test_labels_that_are_no_whole_numbers_are_refused(arrays, tmp_path, labels):
    path = tmp_path / "set.npz"
    np.savez(path, **{**arrays, "y_test": np.array([0.0, 1, 2])})
    assert data.load_mnist(path)[1][1].tolist() == [0, 1, 2]
    np.savez(path, **{**arrays, "y_test": labels})
    with pytest.raises(ValueError, match=r"labels that are whole numbers.*set\.npz"):
        data.load_mnist(path)


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


def test_a_seed_chooses_what_is_held_out():
    images, labels = numbered(100)
    first, again, other = (
        numbers(data.hold_out(images, labels, 30, seed=seed)[1][0])
        for seed in (1, 1, 2)
    )
    assert first == again != other


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


def test_binary_images_stay_as_they_are():
    images = np.random.default_rng(0).integers(0, 2, (5, 4, 4, 1)).astype("float32")
    np.testing.assert_array_equal(data.binarize(images), images)
    np.testing.assert_array_equal(data.quantize(images, 16), images)


@pytest.mark.parametrize("levels", [2, 3, 4, 16, 256])
def test_quantize_takes_the_nearest_level_and_repeats_itself(levels):
    gray = np.random.default_rng(0).random((2, 9, 9, 1), dtype="float32")
    quantized = data.quantize(gray, levels)
    assert np.abs(quantized - gray).max() <= 0.5 / (levels - 1) + 1e-6
    data.check_images(quantized, levels=levels)
    np.testing.assert_array_equal(data.quantize(quantized, levels), quantized)


def test_bad_arguments_are_named():
    gray = np.full((1, 2, 2, 1), 0.5, "float32")
    with pytest.raises(ValueError, match=r"quantize\(images, 4\)"):
        data.check_images(gray, levels=4)
    with pytest.raises(ValueError, match=r"binarize\(images\)"):
        data.check_images(gray, levels=2)


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


def test_gray_digits_are_colored():
    gray = data.load_mnist()[0][0]
    for seed in range(2):
        colored = data.colorize(gray, seed=seed)
        np.testing.assert_array_equal(np.unique(np.round(colored * 3)), [0, 1, 2, 3])
        whole = data.colorize(np.float32(gray == 1), seed=seed)
        np.testing.assert_array_equal(
            colored[gray[..., 0] == 1], whole[gray[..., 0] == 1]
        )


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


def test_images_with_masked_values_are_refused():
    images = np.ma.masked_equal([0.0, 1.0], 1.0).reshape(1, 1, 2, 1)
    with pytest.raises(ValueError, match="images without masked.* Received: 1 masked"):
        data.check_images(images)
    nothing_masked = data.check_images(np.ma.array(images.data))
    np.testing.assert_array_equal(nothing_masked, images.data)
