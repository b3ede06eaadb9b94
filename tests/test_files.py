import json

import pytest

from cdd_keras.files import is_leftover, making, remove_leftovers, replacing, write_json, write_text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "deep" / "model.weights.h5"
    with replacing(path) as temporary:
        temporary.write_text("half")
        assert temporary.name.endswith(".weights.h5")
        assert temporary.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "half"
    assert names(path.parent) == [path.name]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("ne")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == [path.name]


def test_a_failure_before_writing_is_the_one_that_is_told(tmp_path):
    def fail():
        with replacing(tmp_path / "a.txt"):
            raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        fail()
    assert names(tmp_path) == []


def test_text_is_utf8_and_replaces(tmp_path):
    write_text(tmp_path / "a.txt", "old and longer")
    write_text(str(tmp_path / "a.txt"), "Brille ä")
    assert (tmp_path / "a.txt").read_bytes() == "Brille ä".encode()


def test_json_comes_back(tmp_path):
    write_json(tmp_path / "a.json", {"accuracy": 0.5, "kappa": None})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"accuracy": 0.5, "kappa": None}
    assert text.endswith("}\n")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_refuses_what_is_not_finite(tmp_path, number):
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", [number])
    assert (tmp_path / "a.json").read_text() == "1\n"


def test_writers_of_one_file_do_not_meet(tmp_path):
    # As in two containers: same process number, same name.
    with replacing(tmp_path / "a.txt") as first, replacing(tmp_path / "a.txt") as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "a.txt").read_text() == "first"
    assert names(tmp_path) == ["a.txt"]


def test_of_two_that_make_a_folder_the_first_is_kept_whole(tmp_path):
    with making(tmp_path / "judge") as late:
        (late / "late").touch()
        with making(tmp_path / "judge") as early:
            (early / "early").touch()
            assert not (tmp_path / "judge").exists()
        assert names(tmp_path / "judge") == ["early"]
    assert names(tmp_path / "judge") == ["early"]
    assert names(tmp_path) == ["judge"]


def test_a_folder_that_fails_is_not_made(tmp_path):
    def fail():
        with making(tmp_path / "judge") as aside:
            (aside / "half").touch()
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert names(tmp_path) == []


def test_what_kills_left_is_told_from_the_rest_and_removed(tmp_path):
    kept = [tmp_path / ".gitignore", tmp_path / "samples" / "a.png"]
    for path in kept:
        write_text(path, "")
    with replacing(tmp_path / "samples" / "b.png") as file, making(tmp_path / "judge") as folder:
        file.write_text("half")
        write_text(folder / "report.json", "half")
        assert [is_leftover(path) for path in (file, folder, *kept)] == [True, True, False, False]
        remove_leftovers(tmp_path)
        assert not file.exists()
        assert not folder.exists()
        assert all(path.exists() for path in kept)
        # For the ends of the two blocks.
        file.write_text("whole")
        folder.mkdir()
