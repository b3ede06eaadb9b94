"""The command `sample` on a tiny run."""

import numpy as np
import pytest
from PIL import Image

from cdd_keras import cli, inference, sample
from cdd_keras.data.preprocessing import to_uint8
from cdd_keras.domains import SOURCE, TARGET

TILE = 3 * 16 + 1


@pytest.fixture
def sampled(run_folder, opened_once, capsys, tmp_path):
    """Runs the command into `tmp_path/grid.png`; gives its exit code and stderr."""

    def call(*arguments, run=run_folder):
        out = [] if "--out" in arguments else ["--out", tmp_path / "grid.png"]
        code = cli.main(sample.run, [str(part) for part in (run, *arguments, *out)])
        captured = capsys.readouterr()
        assert captured.out == ""
        return code, captured.err

    return call


def tiles(path, rows, columns):
    """The images of a grid without gaps between sections, uint8 (rows, columns, 16, 16, 3)."""
    picture = np.asarray(Image.open(path))[:, -columns * TILE :]
    tops = [np.arange(row * TILE, (row + 1) * TILE - 1) for row in range(rows)]
    lefts = [np.arange(column * TILE, (column + 1) * TILE - 1) for column in range(columns)]
    return np.stack([[picture[top][:, left][1::3, 1::3] for left in lefts] for top in tops])


def test_both_domains_and_all_values(sampled, tmp_path):
    code, err = sampled()
    assert (code, err) == (0, f"drew 64 images: {tmp_path / 'grid.png'}\n")
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.format == "PNG"
        # Two sections of two rows each.
        assert picture.height == 4 * TILE + 8
        assert picture.width > 16 * TILE


def test_one_value_is_a_square_of_the_models_samples(sampled, run_folder, tmp_path):
    arguments = ("--domain", "target", "--value", "eyeglasses", "--count", "9", "--seed", "5")
    assert sampled(*arguments)[0] == 0
    shown = tiles(tmp_path / "grid.png", 3, 3).reshape(9, 16, 16, 3)
    made = inference.open_run(run_folder).model.sample(np.ones(9, "int32"), TARGET, 5)
    assert np.abs(shown.astype(int) - np.asarray(to_uint8(made), int)).max() <= 1


def test_rows_of_values_share_their_noise(sampled, run_folder, tmp_path):
    assert sampled("--domain", "source", "--count", "5")[0] == 0
    shown = tiles(tmp_path / "grid.png", 2, 3)
    model = inference.open_run(run_folder).model
    for value in (0, 1):
        made = to_uint8(model.sample(np.full(3, value, "int32"), SOURCE, 0))
        assert np.abs(shown[value].astype(int) - np.asarray(made, int)).max() <= 1


def test_seeds(sampled, tmp_path):
    pictures = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        out = tmp_path / "new" / f"{name}.png"
        assert sampled("--count", "4", "--seed", seed, "--out", out)[0] == 0
        pictures.append(out.read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]


def test_no_batch_repeats_anothers_noise(sampled, tmp_path):
    arguments = ("--domain", "target", "--value", "0", "--count", "100")
    assert sampled(*arguments)[0] == 0
    shown = tiles(tmp_path / "grid.png", 10, 10).reshape(100, -1)
    assert len(np.unique(shown, axis=0)) == 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", "0"], "`--count` is out of range: 0."),
        (["--count", "x"], "argument --count: invalid int value: 'x'"),
        (["--seed", "-1"], "`--seed` is out of range: -1."),
        (["--domain", "photo"], "invalid choice: 'photo'"),
        (["--value", "hat"], "Expected one of no-eyeglasses (0), eyeglasses (1)."),
        (["--out", "grid.jpg"], "`--out` is not a PNG file: grid.jpg."),
        (["--out", "/dev/null/grid.png"], "/dev/null is not a folder"),
        (["--out", "/"], "`--out` is a folder: /."),
    ],
)
def test_wrong_usage_is_one_message(sampled, arguments, message):
    code, err = sampled(*arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


def test_place_that_cannot_be_written_fails_clearly(sampled):
    code, err = sampled("--out", "/proc/grid.png", "--count", "1")
    assert code in (1, 2)
    assert "/proc" in err
    assert err.startswith("error: ")


def test_method_without_a_generator_is_refused(sampled, other_runs, tmp_path):
    code, err = sampled(run=other_runs["source_only"])
    assert code == 2
    assert "was trained by method source_only, which has no generator" in err
    assert not (tmp_path / "grid.png").exists()


def test_method_without_an_encoder_samples(sampled, other_runs, tmp_path):
    assert sampled("--count", "4", run=other_runs["cdd_gan"])[0] == 0
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.height == 4 * TILE + 8


def test_a_method_without_values_samples_each_domain(sampled, other_runs, tmp_path):
    run = other_runs["cogan"]
    assert sampled("--count", "8", run=run)[0] == 0
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.height == 2 * TILE + 8
    code, err = sampled("--value", "eyeglasses", run=run)
    assert code == 2
    assert "method cogan, which draws images without a value of choice. Leave --value out." in err


def test_a_method_of_one_domain_and_its_own_codes(sampled, other_runs, tmp_path):
    run = other_runs["infogan"]
    code, err = sampled("--count", "6", run=run)
    assert (code, err) == (0, f"drew 6 images: {tmp_path / 'grid.png'}\n")
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.height == 2 * TILE
    code, err = sampled("--domain", "target", run=run)
    assert code == 2
    assert "method infogan, which draws no target images from noise." in err
    code, err = sampled("--value", "eyeglasses", run=run)
    assert code == 2
    assert "Expected one of code-0 (0), code-1 (1)." in err
    assert sampled("--value", "1", run=run)[0] == 0


def test_a_method_without_a_prior_is_refused(sampled, other_runs):
    code, err = sampled(run=other_runs["dtn"])
    assert code == 2
    assert "method dtn, which draws no source or target images from noise." in err
