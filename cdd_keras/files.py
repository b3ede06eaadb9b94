"""Writing files so that a reader, or a run killed in between, never meets half of one."""

import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The names of `_aside`, which a kill leaves.
_LEFTOVER = re.compile(r"\.[0-9a-f]{32}\..+")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A path to write to, with the suffix of `path`, that becomes `path` if all goes well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _aside(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def making(folder: str | Path) -> Iterator[Path]:
    """A new folder to fill that becomes `folder` if all goes well, or goes if another came first.

    Raises:
        OSError: what is there is no folder.
    """
    folder = Path(folder)
    aside = _aside(folder)
    aside.mkdir(parents=True)
    try:
        yield aside
        try:
            os.rename(aside, folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _aside(path: Path) -> Path:
    # Keras picks a format by the suffix, so the mark goes in front. Processes on several machines
    # may share a folder, and in containers they all have one number.
    return path.with_name(f".{uuid.uuid4().hex}.{path.name}")


def is_leftover(path: Path) -> bool:
    """Whether a kill in the middle of `replacing` or `making` left this file or folder."""
    return _LEFTOVER.fullmatch(path.name) is not None


def leftovers(folder: str | Path) -> list[Path]:
    """What kills left in a folder, or a running process is still writing, at any depth."""
    return list(filter(is_leftover, Path(folder).rglob(".*")))


def remove_leftovers(folder: str | Path) -> None:
    """Deletes the leftovers in a folder that no other process writes to."""
    for path in leftovers(folder):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Writes a text file whole."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value) -> None:
    """Writes JSON whole; a number that is not finite raises ValueError instead of being written."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")
