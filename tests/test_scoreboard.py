"""The scoreboard: complete, in order, and its counted rows counted again."""

import json
import math

from pixelcnn_edu import data, scoreboard

import numpy as np
import pytest


@pytest.fixture(scope="module")
def digits():
    (x_train, _), (x_test, _) = data.load_mnist()
    return x_train, data.binarize(x_test, seed=0)


def row(name):
    return {r["name"]: r for r in scoreboard.rows()}[name]


def nats_of_coins(p, images):
    return -(np.log(p) * images + np.log1p(-p) * (1 - images)).sum(axis=(1, 2, 3))


def test_every_notebook_has_a_row():
    notebooks = {r["notebook"] for r in scoreboard.rows()}
    # no nats of binary digits of their own
    other_questions = {"10", "11", "12", "13", "15"}
    assert notebooks == {f"{i:02d}" for i in range(17)} - other_questions
    assert scoreboard.rows("03") == [
        r for r in scoreboard.rows() if r["notebook"] <= "03"
    ]


def test_counted_rows_are_what_counting_gives(digits):
    x_train, held_out = digits
    uniform = nats_of_coins(0.5, held_out)
    assert uniform.mean() == pytest.approx(784 * math.log(2))
    one_coin = nats_of_coins(x_train.mean(), held_out)
    measured = {"uniform guessing": uniform, "one coin for all pixels": one_coin}
    for name, nats in measured.items():
        error = nats.std(ddof=1) / math.sqrt(len(nats))
        assert row(name)["nats_per_image"] == pytest.approx(nats.mean(), abs=0.3)
        assert row(name)["standard_error"] == pytest.approx(error, abs=0.05)


def test_a_measurement_is_held_against_the_board(digits):
    nats = nats_of_coins(0.5, digits[1])
    scoreboard.show("00", {"uniform guessing": nats})
    with pytest.raises(AssertionError, match="Measured: 5"):
        scoreboard.show("00", {"uniform guessing": nats - 10})
    with pytest.raises(ValueError, match="Expected a row"):
        scoreboard.show("00", {"wishful thinking": nats})
    with pytest.raises(ValueError, match="Expected a row"):
        scoreboard.show("00", {"one coin for all pixels": nats})


@pytest.fixture
def board(tmp_path, monkeypatch):
    """A copy of the board, to write to."""
    path = tmp_path / "board.json"
    path.write_bytes(scoreboard.FILE.read_bytes())
    monkeypatch.setattr(scoreboard, "FILE", path)
    return path


def test_a_new_row_leaves_every_other_row(board):
    before = json.loads(board.read_text("utf-8"))
    foreign = {**before[0], "notebook": "mine", "name": "of another hand"}
    board.write_text(json.dumps([*before, foreign]), "utf-8")
    new = scoreboard.record("07", "new", [1.0, 2.0], tolerance=np.float32(1))
    after = json.loads(board.read_text("utf-8"))
    assert sorted(row["name"] for row in after) == sorted(
        row["name"] for row in [*before, foreign, new]
    )


def test_a_board_that_cannot_be_written_stays_as_it_was(board, monkeypatch):
    before = board.read_bytes()

    def half(path, text, *_):
        path.write_bytes(text.encode()[:1000])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(board), "write_text", half)
    with pytest.raises(OSError, match="board.json"):
        scoreboard.record("03", "new", [1.0, 2.0], tolerance=1)
    assert board.read_bytes() == before
    assert list(board.parent.iterdir()) == [board]


def test_bad_arguments_leave_the_board_as_it_was(board):
    before = board.read_bytes()
    with pytest.raises(ValueError, match="Expected notebook .*'03'"):
        scoreboard.record("3", "x", [1.0, 2], tolerance=1)
    with pytest.raises(ValueError, match="tolerance"):
        scoreboard.record("03", "new", [1.0, 2.0], tolerance=math.nan)
    with pytest.raises(ValueError, match="name"):
        scoreboard.record("03", "", [1.0, 2.0], tolerance=1)
    other = scoreboard.rows()[-1]
    with pytest.raises(ValueError, match="name that no other notebook uses"):
        scoreboard.record("00", other["name"], [1.0, 2.0], tolerance=1)
    assert board.read_bytes() == before
