"""The runs behind a table: which there are, which are done, and doing the rest."""

import json
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from cdd_keras import cli
from cdd_keras.config import Config
from cdd_keras.errors import UsageError
from cdd_keras.files import write_json
from cdd_keras.runs import RunFolder
from cdd_keras.signals import held_signals
from cdd_keras.tables import ROWS, TUNED, Table, Task
from cdd_keras.workers import refuse_workers

ALL_TARGET = "all-target.json"


@dataclass(frozen=True)
class PlannedRun:
    """One row and seed of a task, finished or not."""

    task: Task
    row: str
    seed: int
    config: Config

    @property
    def folder(self) -> RunFolder:
        return RunFolder(Path(self.config.output))

    @property
    def name(self) -> str:
        return f"{self.task.name} {self.row} seed {self.seed}"

    @property
    def is_finished(self) -> bool:
        return self.folder.report.is_file()

    def report(self) -> dict:
        """Its report.json, with what is measured on all target images if that is."""
        report = json.loads(self.folder.report.read_text())
        everywhere = self.folder.path / ALL_TARGET
        if everywhere.is_file():
            report["all_target"] = json.loads(everywhere.read_text())
        return report


def plan(table: Table, rows, seeds: int, data_dir: Path, out: Path, changes: dict):
    """The runs of a table, in order: a seed of every task and row before the next seed.

    Args:
        rows: names of `ROWS`.
        seeds: how many; they count from 0.
        data_dir: the folder of the data.
        out: where the run folders go.
        changes: settings in place of the tasks' own, for all runs.

    Raises:
        UsageError: a setting is wrong, or a run in `out` was made with others.
    """
    runs = [
        _planned(task, row, seed, data_dir, out, changes)
        for seed in range(seeds)
        for task in table.tasks
        for row in rows
    ]
    for run in runs:
        _check_same(run)
    return runs


def _planned(task, row, seed, data_dir, out, changes):
    output = out / "runs" / task.name / f"{row}-{seed}"
    settings = {**task.settings(data_dir), **TUNED.get(row, {}), **changes, **ROWS[row]}
    config = Config(**settings, seed=seed, output=str(output))
    refuse_workers(config, "`reproduce`")
    return PlannedRun(task, row, seed, config)


def _check_same(run: PlannedRun) -> None:
    """A run that is there must be the one that is asked for; where its data lay is its own."""
    if not run.folder.config.is_file():
        return
    before, now = asdict(run.folder.read_config()), asdict(run.config)
    changed = [
        f"`{name}` {before[name]!r} -> {value!r}"
        for name, value in now.items()
        if name not in ("output", "data_dir") and before[name] != value
    ]
    if changed:
        raise UsageError(
            f"The run in {run.folder.path} has other settings: {', '.join(changed)}. "
            "Give the settings it began with, or another --out."
        )


def complete(run: PlannedRun, say) -> int:
    """Trains a run to its end, if it is not there yet; gives the exit code."""
    if run.is_finished:
        say(f"{run.name}: finished before")
        return 0
    say(f"{run.name}: training")
    code = train_apart(run.config)
    if code:
        say(f"{run.name}: failed with exit code {code}")
    return code


def train_apart(config: Config) -> int:
    """`python -m cdd_keras.train` in a process of its own, whose memory goes with it.

    Asked to stop while it trains, this waits until it has saved and ended, and stops then; asked
    twice it kills it.
    """
    untold = []

    def pass_on(number):
        # Once, as a second one would not let it save; and a terminal sends Ctrl-C to both.
        while untold and number == signal.SIGTERM:
            untold.pop().terminate()

    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file, held_signals(pass_on) as came:
        file.write(config.to_yaml())
        file.flush()
        command = [sys.executable, "-m", "cdd_keras.train", "--config", file.name, "--resume"]
        # Its report goes to stderr: on stdout only our table is to stand.
        process = subprocess.Popen(command, stdout=2)
        try:
            untold.append(process)
            if came:
                pass_on(signal.SIGTERM)
            return process.wait()
        finally:
            process.kill()
            process.wait()


def measure_all_target(run: PlannedRun) -> None:
    """Scores a finished run on the target images of all splits, where its task asks for that.

    Transductive, as is usual for such a task: the images were trained on, their labels are read
    here alone. The figures are kept in the run's folder.
    """
    place = run.folder.path / ALL_TARGET
    if not run.task.transductive or place.is_file():
        return
    cli.load_tensorflow()
    from cdd_keras.data import load_pair
    from cdd_keras.data.sets import ALL
    from cdd_keras.domains import TARGET
    from cdd_keras.evaluation import classification_report
    from cdd_keras.inference import open_run
    from cdd_keras.metrics.summary import plain

    model = open_run(run.folder.path, run.config.precision).model
    figures = classification_report(model, load_pair(run.config).joined(), ALL)[TARGET]
    if figures is not None:
        write_json(place, plain(figures))


def draw_figure(run: PlannedRun, path: Path) -> None:
    """Draws the figure of a finished run of seed 0, unless it is there."""
    if run.seed or path.is_file():
        return
    cli.load_tensorflow()
    from cdd_keras.data import load_pair
    from cdd_keras.figures import IDENTITIES, paper_figure
    from cdd_keras.grids import pick_images, save_png
    from cdd_keras.inference import open_run

    opened = open_run(run.folder.path)
    if not opened.model.has_generator:
        return
    images = pick_images(load_pair(run.config, ("test",)), "test", IDENTITIES)
    save_png(paper_figure(opened.model, images, opened.shown, opened.names), path)


def stored(table: Table, runs, data_dir: Path, out: Path, changes: dict) -> list[PlannedRun]:
    """The finished runs in `out` that are not among `runs`: of other rows and seeds.

    Raises:
        UsageError: one was made with other settings.
    """
    asked = {run.folder.path for run in runs}
    found = []
    for task in table.tasks:
        for path in sorted((out / "runs" / task.name).glob("*-*/report.json")):
            row, _, seed = path.parent.name.rpartition("-")
            if path.parent not in asked and row in ROWS and seed.isdecimal():
                found.append(_planned(task, row, int(seed), data_dir, out, changes))
                _check_same(found[-1])
    return found
