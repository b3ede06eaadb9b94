"""The command `classify` on a tiny run and a stranger's images."""

import csv
import io
import json
import os
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pytest
from small_files import CORRUPT, READABLE

from cdd_keras import classify, cli, inference
from cdd_keras.data.images import read_image
from cdd_keras.data.preprocessing import to_float
from cdd_keras.domains import SOURCE, TARGET

VALUES = ["no-eyeglasses", "eyeglasses"]


@pytest.fixture
def classified(run_folder, opened_once, capsys):
    """Runs the command; gives its exit code, stdout and stderr."""

    def call(*arguments):
        code = cli.main(classify.run, [str(run_folder), *map(str, arguments)])
        return code, *capsys.readouterr()

    return call


def expected(run_folder, path, domain):
    run = inference.open_run(run_folder)
    image = run.preprocessing.apply(read_image(path)[None])
    return np.exp(np.asarray(run.model.classify(to_float(image), domain)))[0]


@pytest.mark.parametrize("domain", [SOURCE, TARGET])
def test_json_lines_of_mixed_files(classified, run_folder, strangers_images, domain):
    code, out, err = classified(strangers_images, "--format", "jsonl", "--domain", domain)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [row["path"] for row in rows] == [str(strangers_images / name) for name in READABLE]
    for row in rows:
        chances = list(row["probabilities"].values())
        assert list(row["probabilities"]) == VALUES
        assert sum(chances) == pytest.approx(1, abs=1e-5)
        assert row["predicted"] == VALUES[int(np.argmax(chances))]
    np.testing.assert_allclose(
        list(rows[7]["probabilities"].values()),
        expected(run_folder, strangers_images / "photo.jpg", domain),
        atol=1e-5,
    )
    assert all(name in err for name in CORRUPT)
    assert err.endswith("classified 11 images, skipped 2 that cannot be read\n")


def test_csv(classified, strangers_images):
    odd = (strangers_images / "photo.jpg").rename(strangers_images / 'a,"b.jpg')
    code, out, _ = classified(odd, strangers_images / "grey.png", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert list(rows[0]) == ["path", "predicted", *VALUES]
    assert [row["path"] for row in rows] == [str(odd), str(strangers_images / "grey.png")]
    # Decimal, since the rounding of two numbers to six digits may use all of the bound.
    totals = [sum(Decimal(row[value]) for value in VALUES) for row in rows]
    assert all(abs(total - 1) <= Decimal("1e-6") for total in totals)


def test_table_is_aligned(classified, strangers_images):
    code, out, _ = classified(strangers_images)
    head, *lines = out.splitlines()
    assert code == 0
    assert head.split() == ["predicted", *VALUES, "path"]
    assert len(lines) == len(READABLE)
    assert {line.index(str(strangers_images)) for line in lines} == {head.index("path")}


def test_nothing_readable_fails(classified, strangers_images):
    code, out, err = classified(*(strangers_images / name for name in CORRUPT), "--format", "csv")
    assert (code, out) == (1, "path,predicted,no-eyeglasses,eyeglasses\n")
    assert err.endswith("classified 0 images, skipped 2 that cannot be read\n")


def test_wrong_input_is_one_message(classified, tmp_path):
    code, out, err = classified(tmp_path / "x.png", tmp_path / "y")
    assert (code, out) == (2, "")
    assert err == f"error: No such file or folder: {tmp_path / 'x.png'}, {tmp_path / 'y'}.\n"
    code, _, err = classified(tmp_path)
    assert code == 2
    assert err.startswith(f"error: No images in {tmp_path}.")


def test_method_without_a_generator_classifies(other_runs, opened_once, strangers_images, capsys):
    arguments = [str(other_runs["source_only"]), str(strangers_images), "--format", "jsonl"]
    assert cli.main(classify.run, arguments) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(READABLE)


def test_process_writes_nothing_but_lines_to_stdout(run_folder, strangers_images):
    image = strangers_images / os.fsdecode(b"not-\xff-unicode.png")
    (strangers_images / "grey.png").rename(image)
    command = [sys.executable, "-m", "cdd_keras.classify", run_folder, image, "--format", "jsonl"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "classified 1 image\n")
    assert json.loads(result.stdout)["path"].endswith("not-\\xff-unicode.png")


def test_a_method_of_one_domain_reads_it_by_codes(
    other_runs, opened_once, strangers_images, capsys
):
    run, photo = str(other_runs["infogan"]), str(strangers_images / "photo.jpg")
    assert cli.main(classify.run, [run, photo]) == 2
    assert (
        "was trained by method infogan, which reads no target images. Give another --domain."
        in capsys.readouterr().err
    )
    assert cli.main(classify.run, [run, photo, "--domain", "source", "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("path,predicted,code-0,code-1\n")
