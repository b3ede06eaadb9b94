"""A user's own images: with a table of attributes, or a folder a class."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cdd_keras.data.cache import cached_files, fingerprint
from cdd_keras.data.images import find_images, read_image
from cdd_keras.data.labels import Columns, class_columns, column
from cdd_keras.data.layouts import FOLDER, data_folder, target_folder
from cdd_keras.data.preprocessing import Preprocessing
from cdd_keras.data.sets import SPLITS, TRAIN, Collection
from cdd_keras.data.splits import carve
from cdd_keras.data.storage import file_stamp
from cdd_keras.errors import UsageError

TABLE = "attributes.csv"
CLASS = "class"


def open_collections(
    config, preprocessing: Preprocessing, splits: tuple[str, ...]
) -> tuple[Collection, ...]:
    """The images of `data_dir` and, where it is given, those of `target_dir`.

    A table may list images that are not there, but for the splits asked.

    Raises:
        UsageError: a folder, its labels or an image listed is missing, or one folder lies in the
            other.
    """
    source = data_folder(config)
    fraction = config.validation_fraction
    target = target_folder(config)
    if target is None:
        return (_labelled(source, preprocessing, splits, fraction),)
    _check_apart(source, target)
    return (
        _labelled(source, preprocessing, splits, fraction),
        _any(target, preprocessing, splits, fraction),
    )


def _check_apart(source: Path, target: Path) -> None:
    """Refuses folders of which one holds the other: images are looked for below both."""
    one, other = source.resolve(), target.resolve()
    if one == other:
        relation = f"`target_dir` is `data_dir`: {target}"
    elif one.is_relative_to(other):
        relation = f"`data_dir` lies in `target_dir`: {source} in {target}"
    elif other.is_relative_to(one):
        relation = f"`target_dir` lies in `data_dir`: {target} in {source}"
    else:
        return
    raise UsageError(f"{relation}. Expected other images: no photo may be on both sides.")


def _labelled(
    folder: Path, preprocessing: Preprocessing, splits: tuple[str, ...], fraction: float
) -> Collection:
    collection = _any(folder, preprocessing, splits, fraction)
    if not collection.columns:
        raise UsageError(f"{folder} holds images but no labels. Expected {FOLDER}.")
    return collection


def _any(
    folder: Path, preprocessing: Preprocessing, splits: tuple[str, ...], fraction: float
) -> Collection:
    if (folder / TABLE).exists():
        paths, named, columns, identities = _from_table(folder)
    else:
        paths, named, columns = _from_folders(folder)
        identities = None
    everyone = carve(np.array(named), fraction)
    # A table may name files elsewhere, by .. or from the root.
    ids = [os.path.relpath(path, folder) for path in paths]
    needed = np.flatnonzero(np.isin(everyone, splits))
    _refuse_missing(folder, [ids[i] for i in needed if not paths[i].is_file()])

    def prepare(path: Path) -> np.ndarray:
        return preprocessing.apply(read_image(path)[None])[0]

    def read(indices: np.ndarray) -> np.ndarray:
        chosen = [paths[i] for i in indices]
        stamps = [[ids[i], file_stamp(paths[i])] for i in indices]
        key = fingerprint("folder", str(folder.resolve()), stamps, preprocessing.get_config())
        return cached_files("folder", key, chosen, preprocessing.image_size, prepare)

    return Collection(str(folder), np.array(ids), everyone, columns, read, identities)


def _from_folders(folder: Path) -> tuple[list[Path], list[str], Columns]:
    """Paths, splits and, if they lie in folders, classes."""
    paths = find_images([folder])
    parts = [path.relative_to(folder).parts[:-1] for path in paths]
    by_split = all(part and part[0] in SPLITS for part in parts)
    splits = [part[0] if by_split else TRAIN for part in parts]
    classes = [part[1:] if by_split else part for part in parts]
    if not all(classes):
        return paths, splits, {}
    values, labels = np.unique([names[0] for names in classes], return_inverse=True)
    return paths, splits, class_columns(CLASS, tuple(values.tolist()), labels)


def _from_table(folder: Path) -> tuple[list[Path], list[str], Columns, np.ndarray | None]:
    header, rows = _rows(folder / TABLE)
    cells = {name: [row[i] for row in rows] for i, name in enumerate(header)}
    special = {name.lower(): name for name in header[1:]}
    paths = [folder / name for name in cells.pop(header[0])]
    splits = cells.pop(special.get("split"), [TRAIN] * len(rows))
    identities = cells.pop(special.get("identity"), None)
    unknown = sorted(set(splits) - set(SPLITS))
    if unknown:
        raise UsageError(
            f"{folder / TABLE}: `split` must be one of {', '.join(SPLITS)}, got {unknown[0]!r}."
        )
    columns = {name: column(name, values) for name, values in cells.items()}
    return paths, splits, columns, None if identities is None else np.array(identities)


def _rows(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = [[cell.strip() for cell in row] for row in csv.reader(file)]
    lines = [(number, row) for number, row in enumerate(lines, 1) if any(row)]
    if len(lines) < 2:
        raise UsageError(f"{path} lists no image. Expected {FOLDER}.")
    header = lines[0][1]
    for number, row in lines[1:]:
        if len(row) != len(header) or "" in row:
            raise UsageError(
                f"{path}, line {number}: expected {len(header)} filled cells "
                f"({', '.join(header)}), got {row}."
            )
    return header, [row for _, row in lines[1:]]


def _refuse_missing(folder: Path, names: Sequence[str]) -> None:
    if names:
        raise UsageError(
            f"{folder / TABLE} lists {len(names)} files that are not there, such as "
            f"{', '.join(names[:3])}. Names are relative to {folder}."
        )
