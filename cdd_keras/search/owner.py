"""Whose a trial is: a process that was given up, and lives, must not write in it any more."""

import uuid
from pathlib import Path

from cdd_keras.errors import CddError
from cdd_keras.files import write_text

NAME = "owner"


class TakenError(CddError):
    """Another process has taken a trial over; nothing more of it is to be written."""


class Claim:
    """A process's hold on a trial, until another makes one.

    Args:
        folder: the trial's.
        tuner: the process's name in the search.
    """

    def __init__(self, folder: Path, tuner: str):
        self._path = folder / NAME
        # A name alone would be shared by a process and the one that was started in its place.
        self._mark = f"{tuner} {uuid.uuid4().hex}\n"
        write_text(self._path, self._mark)

    def check(self) -> None:
        """Raises TakenError if the trial is another's by now."""
        now = self._path.read_text() if self._path.is_file() else "nobody"
        if now != self._mark:
            raise TakenError(
                f"{self._path.parent} was taken over by another process ({now.strip()}). "
                "Expected one search at a time in a folder."
            )
