"""Writing files so that a reader, or a run killed in between, never meets half of one."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A path to write to, with the suffix of `path`, that becomes `path` if all goes well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Keras picks a format by the suffix, so the mark goes in front.
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Writes a text file whole."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value) -> None:
    """Writes JSON whole; a number that is not finite raises ValueError instead of being written."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")
