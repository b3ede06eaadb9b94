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

from benchmarks import validator_costs
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


def stored(table):
    """A table's JSON."""
    return json.loads((ROOT / "docs" / "results" / f"table-{table}.json").read_text())


def stored_rows(table):
    """{task: {row: figures}} of a table's JSON."""
    tasks = stored(table)["tasks"]
    return {task["task"]: {row["row"]: row for row in task["rows"]} for task in tasks}


@pytest.mark.parametrize("table", [name for name in TABLES if name != "svhn"])
def test_the_tables_of_results_are_those_of_their_json(table):
    page = (ROOT / "docs" / "results.md").read_text().splitlines()
    lines = [line for line in markdown(stored(table)).splitlines() if line.startswith("| ")]
    assert len(lines) > 8
    assert set(lines) <= set(page)


def test_the_costs_of_label_free_choices_are_those_of_the_tables():
    page = (ROOT / "docs" / "results.md").read_text()
    assert "\n".join(validator_costs.lines()) in page
    means = [f"{mean:.3f}" for mean in validator_costs.means_for_all().values()]
    assert re.search(r"costs (\S+) in the mean over", page)[1] == means[0]
    assert re.search(r"`infomax`\nfor all (\S+), `source_accuracy` (\S+):", page).groups() == (
        means[1],
        means[2],
    )


@pytest.mark.parametrize(
    ("begins", "table", "task", "part", "figure"),
    [
        ("smiling, sketches", "2", "table2", "target", "accuracy"),
        ("smiling, faces", "1", "table1", "all_target", "accuracy"),
        ("eyeglasses", "3", "table3", "target", "balanced_accuracy"),
        ("MNIST", "digits", "mnist-usps", "target", "accuracy"),
        ("USPS", "digits", "usps-mnist", "target", "accuracy"),
    ],
)
def test_the_tables_at_a_glance_are_those_of_the_json(begins, table, task, part, figure):
    readme = (ROOT / "README.md").read_text()
    (line,) = re.findall(rf"^\| {begins}.*$", readme, re.MULTILINE)
    cells = [cell.strip(" *").split(" ")[0] for cell in line.strip("|").split("|")[1:]]
    rows = stored_rows(table)[task]
    methods = ("source_only", "dann", "unit", "cdd", "oracle")
    for method, cell in zip(methods, cells[:5], strict=True):
        # Most of the oracle's images of Table 1 are those it was trained on, with their labels.
        known = "-" if (method, part) == ("oracle", "all_target") else None
        assert cell == (known or f"{rows[method][part][figure]['mean']:.3f}")


@pytest.mark.parametrize(("begins", "task"), [("MNIST", "mnist-usps"), ("USPS", "usps-mnist")])
def test_the_digits_at_the_authors_scale_are_those_of_their_json(begins, task):
    page = (ROOT / "docs" / "results.md").read_text()
    rows = stored_rows("digits-1800")[task]
    mean = [rows[one]["target"]["accuracy"]["mean"] for one in ("source_only", "cdd")]
    assert re.search(rf"^\| {begins} to \w+ \| {mean[0]:.3f} \| {mean[1]:.3f} \|", page, re.M)


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
