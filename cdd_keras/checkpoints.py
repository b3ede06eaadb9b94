"""Checkpoints of a run: written aside and renamed, the newest and the pick kept."""

import re
from pathlib import Path

from cdd_keras.errors import CddError
from cdd_keras.files import replacing

NAME = "step-{:08d}.weights.h5"
PATTERN = re.compile(r"step-(\d+)\.weights\.h5")


def path_of(folder: Path, step: int) -> Path:
    """The checkpoint of a step."""
    return Path(folder) / NAME.format(step)


def save(model, folder: Path) -> Path:
    """Writes networks, averages, belief, prior, optimisers and the step; gives the file."""
    path = path_of(folder, int(model.step.numpy()))
    with replacing(path) as temporary:
        model.save_weights(temporary)
    return path


def load(model, folder: Path, step: int) -> None:
    """Restores the checkpoint of a step.

    Raises:
        CddError: there is none, or it is damaged.
    """
    path = path_of(folder, step)
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise CddError(f"The checkpoint {path} cannot be read: {error}") from error


def steps(folder: Path) -> list[int]:
    """The steps there are checkpoints of, rising."""
    if not Path(folder).is_dir():
        return []
    matches = (PATTERN.fullmatch(path.name) for path in Path(folder).iterdir())
    return sorted(int(match[1]) for match in matches if match)


def resume(model, folder: Path, evaluated, warn) -> int:
    """Restores the newest checkpoint that can be read, and gives its step; 0 without any.

    Args:
        model: a compiled model; optimisers are restored too.
        folder: where the checkpoints are.
        evaluated: the steps whose evaluation was written too; a run killed between the two goes
            on from the one before, or that evaluation would be missing for ever.
        warn: called with a message for each damaged one.

    Raises:
        CddError: there are checkpoints to go on from, and all of them are damaged.
    """
    usable = [step for step in steps(folder) if step in evaluated]
    for step in reversed(usable):
        try:
            load(model, folder, step)
            return step
        except CddError as error:
            warn(str(error))
    if usable:
        raise CddError(
            f"No checkpoint in {folder} can be read, so there is nothing to go on from. "
            "Train anew with --overwrite."
        )
    return 0


def prune(folder: Path, kept: int, needed: set[int]) -> None:
    """Deletes all but the newest `kept` and those of the `needed` steps."""
    found = steps(folder)
    for step in found[: max(0, len(found) - kept)]:
        if step not in needed:
            path_of(folder, step).unlink(missing_ok=True)
