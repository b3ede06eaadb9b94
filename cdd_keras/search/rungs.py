"""Hyperband's rungs: a trial that goes on from another's run folder."""

import shutil

from cdd_keras.files import making, write_text
from cdd_keras.runs import RunFolder


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


def seconds_trained(folder) -> float:
    """How long a run was trained up to its last evaluation, by all processes and rungs."""
    rows = folder.read_rows()
    return rows[-1]["seconds"] if rows else 0.0
