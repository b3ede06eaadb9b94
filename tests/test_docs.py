"""Every command and every Python block of README and docs runs as it is written.

Trainings are made small by flags put behind what the page says; each page's commands run in order,
in one folder that holds what the pages assume: photos, CelebA, digits and faces of one's own.
"""

import importlib
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from stand_ins import make_celeba, noise_image

from cdd_keras import cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SMALL = [
    *("--steps", "4", "--batch-size", "4", "--image-size", "16", "--channels", "2"),
    *("--discriminator-channels", "2", "--code-size", "2", "--synthetic-count", "60"),
    *("--evaluate-every", "1", "--edit-start", "0", "--precision", "float32"),
]
# The data are read whatever is trained on them; one page trains the default method.
CHEAP = ["--method", "source_only"]
# A search goes through its trials whatever is trained in them.
SEARCH = [*SMALL, *CHEAP, "--objective", "infomax", "--max-trials", "2"]
PATTERN = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page, language):
    """The contents of a page's code blocks of one language."""
    return [body for kind, body in PATTERN.findall(page.read_text()) if kind == language]


def commands(page):
    """The `python -m cdd_keras.NAME …` lines of a page."""
    lines = [line for body in blocks(page, "bash") for line in body.splitlines()]
    # README's two commands do their own set-up; what they run is what the other pages run.
    return [line for line in lines if line.startswith("python -m cdd_keras.")]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """The folder the pages are read in."""
    folder = tmp_path_factory.mktemp("workplace")
    shutil.copytree(ROOT / "configs", folder / "configs")
    make_celeba(folder / "data" / "celeba")
    make_digits(folder / "data" / "digits")
    for place, count in (("photos", 20), ("data/faces/eyeglasses", 20), ("data/faces/none", 20)):
        (folder / place).mkdir(parents=True)
        for number in range(count):
            image = Image.fromarray(noise_image(number + 100 * len(place)))
            image.save(folder / place / f"{number}.png")
    return folder


def make_digits(folder):
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    for name, side in (("mnist", 28), ("usps", 16)):
        arrays = {}
        for part, count in (("train", 60), ("test", 20)):
            arrays[f"{part}_images"] = draw.integers(0, 256, (count, side, side), "uint8")
            arrays[f"{part}_labels"] = np.arange(count, dtype="uint8") % 10
        np.savez(folder / f"{name}.npz", **arrays)


def run(line):
    """Runs one command line as it stands, a training with flags that make it small."""
    _, _, module, *arguments = shlex.split(line)
    if module == "cdd_keras.train":
        arguments += SMALL
        if "runs/first" not in arguments:
            arguments += CHEAP
    elif module == "cdd_keras.tune":
        arguments += ["--steps-per-trial", "4", *SEARCH]
    return cli.main(importlib.import_module(module).run, arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_run_as_written(page, workplace, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    monkeypatch.setenv("CDD_KERAS_CACHE", str(workplace / "cache"))
    for line in commands(page):
        # The run that most pages begin with is trained once.
        if line.endswith("--output runs/first") and Path("runs/first").exists():
            continue
        assert run(line) == 0, f"{line}\n{capsys.readouterr().err}"


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=lambda p: p.stem)
def test_python_runs_as_written(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), names)


def test_readme_gives_the_two_commands():
    text = (ROOT / "README.md").read_text()
    install = "pip install -r requirements.txt && python -m"
    assert f"{install} cdd_keras.train --attr eyeglasses\n" in text
    assert f"{install} pytest\n" in text


def test_links_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name} links to {link}"
