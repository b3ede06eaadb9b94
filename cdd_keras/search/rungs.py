"""Hyperband's rungs: a trial that goes on from another's run folder."""

import shutil

from cdd_keras import checkpoints
from cdd_keras.files import making, write_text
from cdd_keras.runs import RunFolder


def earlier_of(values) -> str | None:
    """The trial of the rung before that KerasTuner's values say a trial goes on from."""
    return values.get("tuner/trial_id")


def last_step(run) -> int:
    """The step of the newest checkpoint in a `RunFolder`, 0 without any."""
    return max(checkpoints.steps(run.checkpoints), default=0)


def promote(earlier, folder):
    """Makes a trial's folder from that of the rung before: rows, and checkpoints with optimisers.

    Whole or not at all: what is copied gets its name last.
    """
    if folder.path.exists():
        return
    with making(folder.path) as aside:
        run = RunFolder(aside)
        shutil.copytree(earlier.checkpoints, run.checkpoints)
        shutil.copy2(earlier.metrics, run.metrics)
        write_text(run.config, earlier.read_config().replace(output=str(folder.path)).to_yaml())
        run.write_environment()


def seconds_trained(folder, trial, values) -> float:
    """How long a trial was trained up to its last evaluation, without the rungs before it.

    Args:
        folder: the `SearchFolder`.
        trial: its name.
        values: KerasTuner's, which name the rung before.
    """
    earlier = earlier_of(values)
    before = _seconds(folder.trial(earlier)) if earlier else 0.0
    return max(0.0, _seconds(folder.trial(trial)) - before)


def _seconds(run):
    rows = run.read_rows()
    return rows[-1]["seconds"] if rows else 0.0
