"""What is known of each trial, kept in its folder: results are read from there alone."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cdd_keras.files import write_json
from cdd_keras.search.plan import SearchFolder

COMPLETED, FAILED = "completed", "failed"
NAME = "trial.json"


@dataclass(frozen=True)
class Record:
    """A trial that has ended.

    Attributes:
        trial: its name, which is its folder's.
        state: COMPLETED or FAILED.
        values: the settings searched, those active in it.
        objective: its value, None where it failed.
        figures: label-free figures of the run's pick by name; of its last evaluation where it
            failed.
        pick: the step of that pick; None where it failed.
        steps: steps trained; up to its last evaluation where it failed.
        whole: whether it trained to the end; Hyperband stops most before.
        seconds: of this trial alone, not of the rungs before it; a process that was stopped
            counts to its last evaluation.
        reason: why it failed.
        earlier: the trial that it went on from, Hyperband's rung before.
    """

    trial: str
    state: str
    values: dict
    objective: float | None = None
    figures: dict = field(default_factory=dict)
    pick: int | None = None
    steps: int = 0
    whole: bool = False
    seconds: float = 0.0
    reason: str | None = None
    earlier: str | None = None


def failed(folder: SearchFolder, trial: str, values: dict, reason: str) -> Record:
    """The record of a trial that failed, with what its run folder shows of it."""
    rows = folder.trial(trial).read_rows()
    last = rows[-1] if rows else {"step": 0, "label_free": {}}
    return Record(
        trial,
        FAILED,
        values,
        figures=last["label_free"],
        steps=last["step"],
        reason=reason,
    )


def path_of(folder: SearchFolder, trial: str) -> Path:
    """Where a trial's record is."""
    return folder.trial(trial).path / NAME


def write(folder: SearchFolder, record: Record) -> None:
    """Keeps a record."""
    write_json(path_of(folder, record.trial), asdict(record))


def read(folder: SearchFolder, trial: str) -> Record | None:
    """A trial's record; None while it has not ended."""
    path = path_of(folder, trial)
    return Record(**json.loads(path.read_text())) if path.is_file() else None


def read_all(folder: SearchFolder) -> list[Record]:
    """The records of all trials that have ended, in the order of their numbers."""
    # KerasTuner pads them by the number of trials, which may have grown.
    names = sorted((path.parent.name for path in folder.trials.glob(f"*/{NAME}")), key=int)
    return [read(folder, name) for name in names]


def best(records: list[Record]) -> Record | None:
    """The completed trial of the highest objective that trained to the end; the first of equals."""
    whole = [one for one in records if one.state == COMPLETED and one.whole]
    return max(whole, key=lambda one: one.objective, default=None)
