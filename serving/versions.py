"""Which versions of a model there are on disk, and which of them are wanted."""

import os
from collections.abc import Iterable
from pathlib import Path


def find_versions(base_path: str) -> dict[int, Path] | None:
    """The version folders of a model.

    Args:
        base_path: the folder whose sub-folders are versions.

    Returns:
        {number: folder}; names that are no whole number of 0 or more are passed over, and of `1`
        and `00001` the shorter is taken. None where the base path itself is not there.
    """
    try:
        names = [entry.name for entry in os.scandir(base_path) if entry.is_dir()]
    except OSError:
        return None
    found = {}
    for name in sorted(names, key=len, reverse=True):
        # isdigit() alone would take figures of other scripts.
        if name.isascii() and name.isdigit() and int(name) < 2**63:
            found[int(name)] = Path(base_path, name)
    return found


def wanted(versions: Iterable[int], policy) -> list[int]:
    """The versions that a policy chooses, highest first.

    Args:
        versions: those there are.
        policy: a `FileSystemStoragePathSourceConfig.ServableVersionPolicy`: latest (1 where it
            says nothing), all or specific.
    """
    ordered = sorted(versions, reverse=True)
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return ordered
    if choice == "specific":
        return [version for version in ordered if version in policy.specific.versions]
    return ordered[: policy.latest.num_versions or 1]


def fingerprint(folder: Path) -> tuple:
    """What changes when a folder's files do: their names, sizes and times of change."""
    try:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return tuple((str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files)
    except OSError:
        return ()
