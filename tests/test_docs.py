"""Every command and every Python block of README and docs runs as it is written.

Trainings are made small by flags put behind what the page says; each page's commands run in order,
in one folder that holds what the pages assume: photos, CelebA, digits and faces of one's own.
"""

import json
import re
import shutil

import numpy as np
import pytest
from doc_pages import PAGES, ROOT, Served, blocks, commands, is_served, run_cdd
from PIL import Image
from stand_ins import make_celeba, noise_image

from cdd_keras.table_report import markdown
from cdd_keras.tables import TABLES

SERVED = [page for page in PAGES if is_served(page)]
OTHERS = [page for page in PAGES if not is_served(page)]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """The folder the pages are read in."""
    folder = tmp_path_factory.mktemp("workplace")
    for part in ("configs", "serving/config"):
        shutil.copytree(ROOT / part, folder / part)
    make_celeba(folder / "data" / "celeba")
    make_digits(folder / "data" / "digits")
    for place, count in (("photos", 20), ("data/faces/eyeglasses", 20), ("data/faces/none", 20)):
        (folder / place).mkdir(parents=True)
        for number in range(count):
            image = Image.fromarray(noise_image(number + 100 * len(place)))
            image.save(folder / place / f"{number}.png")
    return folder


@pytest.fixture(autouse=True)
def in_workplace(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    monkeypatch.setenv("CDD_KERAS_CACHE", str(workplace / "cache"))


def make_digits(folder):
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    for name, side in (("mnist", 28), ("usps", 16)):
        arrays = {}
        for part, count in (("train", 60), ("test", 20)):
            arrays[f"{part}_images"] = draw.integers(0, 256, (count, side, side), "uint8")
            arrays[f"{part}_labels"] = np.arange(count, dtype="uint8") % 10
        np.savez(folder / f"{name}.npz", **arrays)


@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.stem)
def test_commands_run_as_written(page, capsys):
    for _, body in blocks(page, "bash"):
        for line in commands(body):
            assert run_cdd(line) == 0, f"{line}\n{capsys.readouterr().err}"


@pytest.mark.parametrize(
    "page", [page for page in OTHERS if blocks(page, "python")], ids=lambda page: page.stem
)
def test_python_runs_as_written(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for _, block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), names)


@pytest.mark.parametrize("page", SERVED, ids=lambda page: page.stem)
def test_what_is_served_is_used_as_written(page):
    with Served() as served:
        served.run_page(page)


@pytest.mark.parametrize("table", [name for name in TABLES if name != "svhn"])
def test_the_tables_of_results_are_those_of_their_json(table):
    page = (ROOT / "docs" / "results.md").read_text().splitlines()
    stored = ROOT / "docs" / "results" / f"table-{table}.json"
    result = json.loads(stored.read_text())
    lines = [line for line in markdown(result).splitlines() if line.startswith("| ")]
    assert len(lines) > 8
    assert set(lines) <= set(page)


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
