"""What is wrong with data before any are read."""

import subprocess
import sys

import pytest

from cdd_keras.config import Config
from cdd_keras.data.layouts import check_reachable
from cdd_keras.errors import UsageError

WRONG = {
    "attribute": (["--attr", "eyeglases"], "Did you mean eyeglasses"),
    "no folder": (["--data", "celeba"], "`data_dir` is required for data celeba: a folder with"),
    "not there": (["--data", "digits", "--data-dir", "nowhere"], "`data_dir` does not exist"),
    "a file": (["--data", "folder", "--data-dir", __file__], "`data_dir` is not a folder"),
    "no target": (
        ["--data", "folder", "--data-dir", ".", "--target-dir", "nowhere", "--domains", "a-b"],
        "`target_dir` does not exist: nowhere. Expected a folder of images",
    ),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("command", ["train", "tune"])
def test_it_is_told_without_tensorflow(command, name, tmp_path):
    flags, message = WRONG[name]
    code = f"import sys; from cdd_keras import cli, {command}; "
    code += f"print(cli.main({command}.run, sys.argv[1:]), 'tensorflow' in sys.modules)"
    attr = [] if name == "attribute" else ["--attr", "smiling"]
    done = subprocess.run(
        [sys.executable, "-c", code, *attr, *flags],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["2", "False"]
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


def test_what_is_there_passes(tmp_path):
    check_reachable(Config(attr="Long_Hair"))
    check_reachable(Config(attr="smiling", data="celeba", data_dir=str(tmp_path)))
    check_reachable(Config(attr="smiling", data="tfds", tfds_name="celeb_a"))


def test_each_layout_is_described():
    for data in ("celeba", "digits", "folder"):
        attr = {} if data == "digits" else {"attr": "smiling"}
        with pytest.raises(UsageError, match=r"`data_dir` is required .* a folder with"):
            check_reachable(Config(data=data, **attr))
