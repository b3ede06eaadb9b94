"""The commands against the stand-ins: what they print and write, exit codes, messages."""

import contextlib
import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time

import grpc
import numpy as np
import pytest
from PIL import Image
from stand_in_servers import SIDE, StandIn, grpc_server, stop

from serving import cli
from serving.client.__main__ import COMMANDS, run

BAD = grpc.StatusCode.INVALID_ARGUMENT, "No."


@pytest.fixture
def command(stand_in, capsys):
    """Runs a command against the server; gives its exit code, stdout and stderr."""

    def call(*arguments):
        code = cli.main(run, [*map(str, arguments), "--server", stand_in.address])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def folder(tmp_path):
    """Grey pictures and one that is none."""
    folder = tmp_path / "images"
    folder.mkdir()
    for level in (0, 51, 255):
        Image.new("RGB", (9, 7), (level,) * 3).save(folder / f"{level}.png")
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


def test_classify_prints_a_table(command, folder):
    code, out, err = command("classify", folder)
    assert code == 0
    assert out.splitlines() == [
        "predicted   dark  bright  path",
        f"dark       1.000   0.000  {folder}/0.png",
        f"bright     0.000   1.000  {folder}/255.png",
        f"dark       0.800   0.200  {folder}/51.png",
    ]
    assert err.splitlines() == [
        f"skipped: {folder}/broken.jpg is not an image (JPEG, PNG, WebP, GIF or BMP).",
        "classified 3 images, skipped 1",
    ]


def test_classify_prints_csv_and_json_lines_and_nothing_else(command, folder):
    code, out, _ = command("classify", folder, "--format", "csv", "--class-names", "a,b")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert rows[2] == {
        "path": f"{folder}/51.png",
        "predicted": "a",
        "a": "0.800000",
        "b": "0.200000",
    }
    code, out, _ = command("classify", folder / "51.png", "--format", "jsonl", "--domain", "source")
    assert code == 0
    assert json.loads(out) == {
        "path": f"{folder}/51.png",
        "predicted": "bright",
        "probabilities": {"dark": 0.2, "bright": 0.8},
    }


def test_an_image_that_the_server_refuses_is_skipped_alone(command, stand_in, folder):
    stand_in.refuse = (folder / "255.png").read_bytes()
    code, out, err = command("classify", folder, "--format", "csv")
    assert code == 0
    assert [line.partition(",")[0] for line in out.splitlines()[1:]] == [
        f"{folder}/0.png",
        f"{folder}/51.png",
    ]
    assert f"skipped: {folder}/255.png is refused: The image is bad." in err
    assert "classified 2 images, skipped 2" in err


def test_where_all_are_refused_the_request_is_told(command, stand_in, folder):
    stand_in.failures = [BAD] * 4
    code, out, err = command("classify", folder)
    assert code == 1
    assert "error: INVALID_ARGUMENT: No." in err
    assert len(out.splitlines()) == 1


def test_an_image_over_the_limit_is_skipped_alone(command, folder):
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), "uint8")
    Image.fromarray(noise).save(folder / "noise.png")
    code, out, err = command("classify", folder, "--max-message-mib", 1, "--format", "csv")
    assert code == 0
    assert len(out.splitlines()) == 4
    assert f"skipped: {folder}/noise.png is refused: the request " in err
    assert "limit of 1048576 bytes" in err
    assert "(--max-message-mib)" in err


def test_where_nothing_can_be_read_the_command_fails(command, folder):
    code, _, err = command("classify", folder / "broken.jpg")
    assert code == 1
    assert "classified 0 images, skipped 1" in err


def test_other_names_than_classes_are_told(command, folder):
    code, _, err = command("classify", folder, "--class-names", "a,b,c")
    assert code == 1
    assert "error: the model has 2 classes, not a, b, c." in err


def test_translate_writes_a_png_an_image(command, folder, tmp_path):
    out = tmp_path / "out"
    (folder / "51.bmp").write_bytes((folder / "51.png").read_bytes())
    grid = tmp_path / "grids" / "x.png"
    code, printed, err = command(
        *("translate", folder, "--to", "source", "--set", "bright"),
        *("--out", out, "--grid", grid, "--batch-size", 2),
    )
    assert (code, printed) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == [
        "0.png",
        "255.png",
        "51.bmp.png",
        "51.png.png",
    ]
    for name, level in (("0.png", 0), ("255.png", 255), ("51.bmp.png", 51)):
        assert set(Image.open(out / name).get_flattened_data()) == {(101, 10, level)}
    assert f"translated 4 images, skipped 1: {out}" in err
    # Four pictures wide, three times their size, beside the rows' names.
    picture = Image.open(grid)
    assert picture.height == 2 * (3 * SIDE + 1)
    assert picture.getpixel((picture.width - 5, picture.height - 5)) == (101, 10, 51)
    assert picture.getpixel((picture.width - 5, 5)) == (51, 51, 51)


@pytest.mark.parametrize(
    ("setting", "red"), [([], 99), (["--set", "keep"], 98), (["--set", "0"], 100)]
)
def test_translate_takes_keep_an_index_or_nothing(command, folder, tmp_path, setting, red):
    out = tmp_path / "out"
    code, *_ = command("translate", folder / "0.png", "--to", "target", "--out", out, *setting)
    assert code == 0
    assert Image.open(out / "0.png").getpixel((0, 0)) == (red, 11, 0)


def test_translate_leaves_what_it_wrote_before(command, folder, stand_in):
    for _ in range(2):
        stand_in.requests.clear()
        code, _, err = command("translate", folder, "--to", "source", "--out", folder / "out")
        assert code == 0
        assert "translated 3 images" in err
    code, _, err = command("translate", folder / "out", "--to", "source", "--out", folder / "out")
    assert "translated 3 images" in err


def test_generate_draws_rows_of_domains_and_labels(command, stand_in, tmp_path):
    out = tmp_path / "new" / "grid.png"
    code, printed, err = command("generate", "--out", out, "--count", 10, "--seed", 5)
    assert (code, printed, err) == (0, "", f"drew 12 images: {out}\n")
    picture = np.asarray(Image.open(out))
    step = 3 * SIDE + 1
    assert len(picture) == 4 * step
    # The last columns, in the middle of each row: label, seed, domain.
    found = picture[step // 2 :: step][:, -3 * step + step // 2 :: step]
    assert found.tolist() == [
        [[red, seed, domain] for seed in (5, 6, 7)] for domain in (0, 1) for red in (100, 101)
    ]


def test_generate_draws_one_value_or_none(command, tmp_path):
    out = tmp_path / "grid.png"
    for value, red in (("bright", 101), ("none", 99)):
        arguments = ("--domain", "target", "--value", value, "--count", 20)
        code, _, err = command("generate", "--out", out, *arguments)
        assert (code, err) == (0, f"drew 20 images: {out}\n")
        picture = np.asarray(Image.open(out))
        # Sixteen in a row.
        assert picture.shape[0] == 2 * (3 * SIDE + 1)
        assert picture[5, -5].tolist() == [red, 15, 1]


def test_status_is_readable_and_json(command):
    code, out, _ = command("status")
    assert code == 0
    assert out.splitlines()[:3] == [
        "model           version  state",
        "cdd_classifier        8  END  NOT_FOUND: bad file",
        "cdd_classifier        7  AVAILABLE",
    ]
    code, out, _ = command("status", "cdd_generator", "x", "--json")
    assert code == 1
    found = json.loads(out)
    assert found["x"] == []
    assert found["cdd_generator"][1] == {
        "version": 7,
        "state": "AVAILABLE",
        "code": "OK",
        "message": "",
    }


def test_metadata_is_readable_and_json(command):
    code, out, _ = command("metadata")
    assert code == 0
    assert out.startswith("cdd_classifier, version 7\n\npredict_bytes\n")
    assert "  gives  scores          float32 (-1, 2)\n" in out
    # What is TensorFlow's own nobody can call.
    assert "__" not in out
    code, out, _ = command("metadata", "--model", "cdd_generator", "--json")
    signature = json.loads(out)["signatures"]["serving_default_png"]
    assert signature["inputs"]["seed"] == {"dtype": "int64", "shape": [-1]}


def test_load_counts_and_measures(command, stand_in):
    unavailable = (grpc.StatusCode.UNAVAILABLE, "away")
    stand_in.delay = 0.02
    arguments = ("load", "--signature", "predict_bytes", "--rows", 3, "--concurrency", 4)
    code, out, _ = command(*arguments, "--count", 40, "--json")
    report = json.loads(out)
    assert code == 0
    assert (report["requests"], report["answered"], report["errors"]) == (40, 40, {})
    assert 20 <= report["latency_ms"]["p50"] <= report["latency_ms"]["p99"] < 500
    assert report["rows_per_second"] == pytest.approx(3 * report["requests_per_second"], rel=0.01)
    # One more, alone, before the others.
    assert stand_in.requests == [("predict_bytes", 3)] * 41
    assert stand_in.most_under_way == 4
    stand_in.failures = [unavailable] * 5
    stand_in.requests.clear()
    code, out, err = command(*arguments, "--count", 4)
    assert (code, out) == (1, "")
    assert err == "error: UNAVAILABLE: away" + (
        " (HTTP 503)\n" if "http" in stand_in.address else "\n"
    )


def test_load_counts_errors_by_code(command, stand_in, monkeypatch):
    met = stand_in.met

    def every_other(*request):
        found = met(*request)
        return BAD if len(stand_in.requests) % 2 == 0 else found

    monkeypatch.setattr(stand_in, "met", every_other)
    code, out, _ = command("load", "--signature", "predict_bytes", "--count", 10, "--json")
    assert code == 0
    assert json.loads(out)["errors"] == {"INVALID_ARGUMENT": 5}


def test_load_sets_inputs(command, stand_in):
    arguments = ("load", "--model", "cdd_generator", "--signature", "serving_default_png")
    seen = []
    met = stand_in.met
    stand_in.met = lambda signature, inputs: seen.append(inputs) or met(signature, inputs)
    code, *_ = command(*arguments, "--rows", 2, "--input", "label=1", "--count", 1)
    assert code == 0
    rows = {name: np.asarray(row).tolist() for name, row in seen[-1].items()}
    assert rows == {"label": [1, 1], "seed": [0, 0], "domain": [0, 0]}
    code, _, err = command(*arguments, "--input", "labl=1")
    assert code == 2
    assert "takes no number called 'labl'. Did you mean label?" in err
    code, _, err = command("load", "--signature", "predict_byte")
    assert code == 2
    assert "cdd_classifier has no 'predict_byte'. Did you mean predict_bytes?" in err
    assert "__" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no command given."),
        (["clasify"], "unknown command 'clasify'. Did you mean classify?"),
        (["classify"], "the following arguments are required: IMAGE_OR_DIR"),
        (["classify", "nope.png"], "No such file or folder: nope.png."),
        (["classify", ".", "--deadlin", "3"], "Did you mean --deadline?"),
        (["classify", ".", "--class-names", "a,a"], "no list of different names"),
        (["translate", ".", "--out", "x"], "the following arguments are required: --to"),
        (["generate", "--out", "x.jpg"], "`--out` is not a PNG file: x.jpg."),
        (["generate", "--out", "x.png", "--count", "0"], "'0' is no whole number from 1 to 4096."),
        (["status", "--server", "nohost"], "'nohost' is no address."),
        (["status", "--ca", "nope.pem"], "No such file: nope.pem."),
        (["status", "--key", __file__], "go together: only one was given."),
        (["status", "--server", "http://x:1", "--tls"], "Expected https://"),
        (["metadata", "--version", "1", "--version-label", "x"], "Both a version (1) and"),
        (["load", "--duration", "-1"], "'-1' is no number above 0."),
        (["load", "--input", "label"], "invalid NAME=NUMBER value: 'label'"),
    ],
)
def test_wrong_usage_is_one_message_and_2(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (4, 4)).save("image.png")
    assert cli.main(run, arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert message in err


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help(arguments, capsys):
    assert cli.main(run, arguments) == 0
    assert capsys.readouterr().out.startswith("usage: python -m serving.client ")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["load", "--help"], 0), (["classify", "nope"], 2), (["translate", ".", "--to", "x"], 2)],
)
def test_help_and_usage_errors_come_without_tensorflow(arguments, code, tmp_path):
    program = (
        "import sys; from serving import cli; from serving.client.__main__ import run; "
        f"code = cli.main(run, {arguments}); assert 'tensorflow' not in sys.modules; sys.exit(code)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert found.returncode == code, found.stderr
    assert b"Traceback" not in found.stderr


def test_rest_needs_no_tensorflow_at_all(rest_stand_in, folder):
    program = (
        "import sys; from serving import cli; from serving.client.__main__ import run; "
        "code = cli.main(run, sys.argv[1:]); assert 'tensorflow' not in sys.modules; sys.exit(code)"
    )
    arguments = ["classify", folder, "--server", rest_stand_in.address]
    found = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert len(found.stdout.splitlines()) == 4


def test_ctrl_c_ends_a_command_at_once(folder):
    stand_in = StandIn()
    stand_in.delay = 30
    server, port = grpc_server(stand_in)
    words = [sys.executable, "-m", "serving.client", "classify", folder, "--class-names", "a,b"]
    child = subprocess.Popen(
        [*words, "--server", f"localhost:{port}"], stderr=subprocess.PIPE, text=True
    )
    while not stand_in.under_way:
        assert child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    # Long before the answer would have come.
    _, err = child.communicate(timeout=20)
    assert child.returncode == 130
    assert err.splitlines()[-1] == "interrupted"
    stand_in.woken.set()
    stop(server)


def test_a_terminal_sees_a_bar_and_a_pipe_does_not(rest_stand_in, folder, tmp_path):
    words = [sys.executable, "-m", "serving.client", "translate", folder, "--to", "source"]
    words += ["--out", tmp_path / "out", "--server", rest_stand_in.address]
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=theirs) as child:
        os.close(theirs)
        seen = b""
        # Reading a terminal that nobody holds any more is an error on Linux.
        with contextlib.suppress(OSError):
            while part := os.read(ours, 4096):
                seen += part
        assert child.stdout.read() == b""
    os.close(ours)
    assert child.returncode == 0
    assert b"4/4" in seen
    assert b"broken.jpg is not an image" in seen
    piped = subprocess.run(words, capture_output=True, text=True, check=False)
    assert piped.stderr.splitlines() == [
        f"skipped: {folder}/broken.jpg is not an image (JPEG, PNG, WebP, GIF or BMP).",
        f"translated 3 images, skipped 1: {tmp_path / 'out'}",
    ]
