"""The command `translate` on a tiny run and a stranger's images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_files import CORRUPT, READABLE

from cdd_keras import cli, inference, translate
from cdd_keras.data.images import read_image
from cdd_keras.data.preprocessing import to_float, to_uint8
from cdd_keras.domains import SOURCE, TARGET
from cdd_keras.errors import UsageError
from cdd_keras.translate import inputs, output_files


@pytest.fixture
def translated(run_folder, opened_once, capsys, tmp_path):
    """Runs the command into `tmp_path/out`; gives its exit code and stderr; stdout is empty."""

    def call(*arguments, run=run_folder):
        out = [] if "--out" in arguments else ["--out", tmp_path / "out"]
        code = cli.main(translate.run, [str(part) for part in (run, *arguments, *out)])
        captured = capsys.readouterr()
        assert captured.out == ""
        return code, captured.err

    return call


def expected(run_folder, path, source, target, value):
    run = inference.open_run(run_folder)
    real = to_float(run.preprocessing.apply(read_image(path)[None]))
    if value == "keep":
        value = int(np.argmax(run.model.classify(real, source)))
    return to_uint8(run.model.translate(real, source, target, np.array([value], "int32")))[0]


def pixels(path):
    return np.asarray(Image.open(path))


def test_mixed_files(translated, strangers_images, tmp_path):
    code, err = translated(strangers_images, "--to", "source")
    assert code == 0
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == sorted(f"{Path(name).stem}.png" for name in READABLE)
    for path in (tmp_path / "out").iterdir():
        with Image.open(path) as image:
            assert (image.size, image.mode, image.format) == ((16, 16), "RGB", "PNG")
    assert all(name in err for name in CORRUPT)
    assert err.endswith(
        f"translated 11 images, skipped 2 that cannot be read: {tmp_path / 'out'}\n"
    )


@pytest.mark.parametrize(
    ("arguments", "source", "target", "value"),
    [
        (["--to", "source"], TARGET, SOURCE, -1),
        (["--from", "source", "--to", "target", "--set", "eyeglasses"], SOURCE, TARGET, 1),
        (["--to", "target", "--set", "No_Eyeglasses"], TARGET, TARGET, 0),
        (["--to", "target", "--set", "1"], TARGET, TARGET, 1),
        (["--to", "source", "--set", "keep"], TARGET, SOURCE, "keep"),
    ],
)
def test_values(
    translated, run_folder, strangers_images, tmp_path, arguments, source, target, value
):
    photo = strangers_images / "photo.jpg"
    assert translated(photo, *arguments)[0] == 0
    wanted = np.asarray(expected(run_folder, photo, source, target, value), int)
    assert np.abs(pixels(tmp_path / "out" / "photo.png") - wanted).max() <= 1


def test_values_are_drawn_differently(translated, strangers_images, tmp_path):
    made = []
    for value in ("0", "1"):
        arguments = ("--to", "target", "--set", value, "--out", tmp_path / value)
        assert translated(strangers_images / "photo.jpg", *arguments)[0] == 0
        made.append(pixels(tmp_path / value / "photo.png"))
    assert (made[0] != made[1]).any()


def test_existing_results_are_replaced_and_inputs_never(translated, strangers_images):
    before = {path: path.read_bytes() for path in strangers_images.iterdir()}
    arguments = (strangers_images, "--to", "source", "--out", strangers_images)
    assert translated(*arguments)[0] == 0
    assert {path: path.read_bytes() for path in before} == before
    assert (strangers_images / "grey.png.png").is_file()
    assert (strangers_images / "photo.png").is_file()
    out = strangers_images / "out"
    for _ in range(2):
        # Results in a folder below the one given are no inputs of the next time.
        out.mkdir(exist_ok=True)
        (out / "grey.png").write_text("before")
        arguments = (strangers_images / "grey.png", "--to", "source", "--out", out)
        assert translated(*arguments)[0] == 0
        assert pixels(out / "grey.png").shape == (16, 16, 3)


def test_nothing_readable_fails(translated, strangers_images, tmp_path):
    code, err = translated(*(strangers_images / name for name in CORRUPT), "--to", "source")
    assert code == 1
    assert f"translated 0 images, skipped 2 that cannot be read: {tmp_path / 'out'}" in err
    assert list((tmp_path / "out").iterdir()) == []


def test_wrong_usage_is_one_message(translated, strangers_images, tmp_path):
    photo = strangers_images / "photo.jpg"
    (tmp_path / "file").touch()
    for arguments, message in [
        ([photo], "the following arguments are required: --to"),
        ([photo, "--to", "sketch"], "invalid choice: 'sketch'"),
        ([photo, "--to", "source", "--set", "hat"], "`hat` is not a value of Eyeglasses."),
        ([photo, "--to", "source", "--out", tmp_path / "file"], "file is not a folder"),
        ([tmp_path / "missing", "--to", "source"], "No such file or folder"),
    ]:
        code, err = translated(*arguments)
        assert code == 2
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert message in err


@pytest.mark.parametrize(("method", "part"), [("source_only", "encoder"), ("cdd_gan", "encoder")])
def test_methods_that_cannot_translate_are_refused(
    translated, other_runs, strangers_images, method, part
):
    code, err = translated(strangers_images, "--to", "source", run=other_runs[method])
    assert code == 2
    assert f"was trained by method {method}, which has no {part}" in err


def names(paths, out):
    return [str(file.relative_to(out)) for file in output_files(paths, out)]


def test_output_names(tmp_path):
    out, a, b = tmp_path / "out", tmp_path / "a", tmp_path / "b"
    assert names([a / "x.jpg", a / "y.webp"], out) == ["x.png", "y.png"]
    assert names([a / "x.jpg", a / "x.png"], out) == ["x.jpg.png", "x.png.png"]
    assert names([a / "x.jpg", a / "X.gif"], out) == ["x.jpg.png", "X.gif.png"]
    assert names([a / "x.jpg", b / "x.jpg"], out) == ["a_x.jpg.png", "b_x.jpg.png"]
    assert names([out / "x.png", a / "y.png"], out) == ["x.png.png", "y.png"]
    # A longer name may be another's short one.
    assert names([a / "x.jpg", b / "x.png", b / "x.jpg.gif"], out) == [
        "a_x.jpg.png",
        "x.png.png",
        "x.jpg.gif.png",
    ]


def test_output_names_differ_where_joined_paths_do_not(tmp_path):
    out = tmp_path / "out"
    found = names([tmp_path / "a_b" / "c.png", tmp_path / "a" / "b_c.png"] * 1, out)
    assert found == ["c.png", "b_c.png"]
    clash = [tmp_path / "a_b" / "c.png", tmp_path / "a" / "b_c.png", tmp_path / "c.png"]
    clash += [tmp_path / "b_c.png", out / "c.png.png", out / "b_c.png.png"]
    found = names(clash, out)
    assert len(set(found)) == len(clash)
    assert not {out / name for name in found} & set(clash)


def test_inputs_leave_out_earlier_results(tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "photos" / "out"
    out.mkdir(parents=True)
    photo, result = folder / "a.jpg", out / "a.png"
    photo.touch()
    result.touch()
    assert inputs([folder], out) == [photo]
    assert inputs([folder, photo], out) == [photo]
    assert inputs([out], out) == [result]
    assert inputs([photo, result], out) == [photo, result]
    photo.unlink()
    with pytest.raises(UsageError, match="no images but those in"):
        inputs([folder], out)


def test_a_method_of_one_direction(translated, other_runs, strangers_images, tmp_path):
    run, photo = other_runs["dtn"], strangers_images / "photo.jpg"
    assert translated(photo, "--from", "source", "--to", "target", run=run)[0] == 0
    assert pixels(tmp_path / "out" / "photo.png").shape == (16, 16, 3)
    code, err = translated(photo, "--to", "source", run=run)
    assert code == 2
    assert "was trained by method dtn, which draws no source images." in err
    code, err = translated(photo, "--to", "target", "--set", "keep", run=run)
    assert code == 2
    assert "which draws images without a value of choice. Leave --set out." in err
