"""Checkpoints of a run: written aside, sealed with a checksum and renamed; the newest kept."""

import hashlib
import io
import os
import re
from pathlib import Path

from cdd_keras.errors import CddError
from cdd_keras.files import replacing

NAME = "step-{:08d}.weights.h5"
PATTERN = re.compile(r"step-(\d+)\.weights\.h5")
# Behind the HDF5 file, which does not mind: this word, then SHA-256 of what stands before it.
SEAL = b"sha256:"
DIGEST = hashlib.sha256().digest_size


class DamagedError(CddError):
    """None of a run's checkpoints can be read."""


def path_of(folder: Path, step: int) -> Path:
    """The checkpoint of a step."""
    return Path(folder) / NAME.format(step)


def save(model, folder: Path) -> Path:
    """Writes all that the model's training goes on from; gives the file.

    Raises:
        OSError: it cannot be written; those there are stay as they were.
    """
    path = path_of(folder, int(model.step.numpy()))
    memory = _Memory()
    model.save_weights(memory)
    content = memory.getbuffer()
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(content)
        file.write(SEAL + hashlib.sha256(content).digest())
        file.flush()
        # A name that is on the disk before the content would be worth nothing after a power cut.
        os.fsync(file.fileno())
    return path


def load(model, folder: Path, step: int) -> None:
    """Restores the checkpoint of a step.

    Raises:
        CddError: there is none, or it is damaged.
    """
    path = path_of(folder, step)
    try:
        _check_seal(path)
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise CddError(f"The checkpoint {path} cannot be read: {error}") from error


def steps(folder: Path) -> list[int]:
    """The steps there are checkpoints of, rising."""
    if not Path(folder).is_dir():
        return []
    matches = (PATTERN.fullmatch(path.name) for path in Path(folder).iterdir())
    return sorted(int(match[1]) for match in matches if match)


def resume(model, folder: Path, is_usable, warn) -> int:
    """Restores the newest checkpoint that can be read, and gives its step; 0 without any.

    Args:
        model: a compiled model; optimisers are restored too.
        folder: where the checkpoints are.
        is_usable: step -> whether the evaluations up to it were written too. A run killed between
            an evaluation's checkpoint and its row goes on from the one before, or the row would be
            missing for ever.
        warn: called with a message for each damaged one.

    Raises:
        DamagedError: there are checkpoints to go on from, and all of them are damaged.
    """
    usable = [step for step in steps(folder) if is_usable(step)]
    for step in reversed(usable):
        try:
            load(model, folder, step)
            return step
        except CddError as error:
            warn(str(error))
    if usable:
        raise DamagedError(
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


class _Memory(io.BytesIO):
    """A file that Keras takes for one of weights; on a full disk HDF5 crashes the process."""

    def __str__(self):
        return NAME


def _check_seal(path: Path) -> None:
    """Raises ValueError where the checksum is not that of the content.

    One that was cut off goes unnoticed here, but not an HDF5 file that was: it knows its length.
    """
    content = path.read_bytes()
    body, seal, digest = (
        content[: -len(SEAL) - DIGEST],
        content[-len(SEAL) - DIGEST : -DIGEST],
        content[-DIGEST:],
    )
    if seal == SEAL and hashlib.sha256(body).digest() != digest:
        raise ValueError("its checksum is not that of its content.")
