"""CelebA in its standard layout, unpacked or with the images still zipped."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cdd_keras.data.attributes import binary_attribute
from cdd_keras.data.cache import cached_files, fingerprint
from cdd_keras.data.layouts import CELEBA, data_folder
from cdd_keras.data.preprocessing import Preprocessing
from cdd_keras.data.sets import SPLITS, Collection
from cdd_keras.data.storage import FolderImages, ZipImages
from cdd_keras.errors import UsageError

_IMAGES, _ZIP = "img_align_celeba", "img_align_celeba.zip"
_ATTRIBUTES, _PARTITION = "list_attr_celeba.txt", "list_eval_partition.txt"
_IDENTITIES = "identity_CelebA.txt"


def open_collections(
    config, preprocessing: Preprocessing, splits: tuple[str, ...]
) -> tuple[Collection]:
    """The images of the splits asked; the others may be absent.

    Raises:
        UsageError: something is missing (all of it is named) or cannot be parsed.
    """
    folder = data_folder(config)
    images, partition, table = _complete(folder, splits)
    listed = np.array([name in partition for name in table.ids], bool)
    ids, signs = table.ids[listed], table.signs[listed]
    columns = {
        name: (binary_attribute(name), (signs[:, i] > 0).astype(np.int32))
        for i, name in enumerate(table.attributes)
    }

    def prepare(name: str) -> np.ndarray:
        return preprocessing.apply(images.read(name)[None])[0]

    def read(indices: np.ndarray) -> np.ndarray:
        names = ids[indices].tolist()
        key = fingerprint("celeba", images.stamps(names), preprocessing.get_config())
        return cached_files("celeba", key, names, preprocessing.image_size, prepare)

    everyone = np.array([SPLITS[partition[name]] for name in ids], "<U10")
    people = _people(folder, ids)
    return (Collection(f"CelebA in {folder}", ids, everyone, columns, read, people),)


def _find(folder: Path, name: str) -> Path | None:
    # The official download sorts its files into these folders.
    for part in ("", "Anno", "Eval", "Img"):
        if (folder / part / name).exists():
            return folder / part / name
    return None


def _images(folder: Path) -> FolderImages | ZipImages | None:
    unpacked = _find(folder, _IMAGES)
    if unpacked is not None:
        # Some archives hold a folder of the same name within.
        nested = unpacked / _IMAGES
        return FolderImages(nested if nested.is_dir() else unpacked)
    zipped = _find(folder, _ZIP)
    return None if zipped is None else ZipImages(zipped)


class _Table(NamedTuple):
    """The attribute file: how many rows it announces, and what those that are there say.

    ids: (n,) str. signs: int8 (n, attributes).
    """

    count: int
    attributes: list[str]
    ids: np.ndarray
    signs: np.ndarray


def _complete(
    folder: Path, splits: tuple[str, ...]
) -> tuple[FolderImages | ZipImages, dict[str, int], _Table]:
    """Images, partition and attributes, after checking that nothing of them is missing."""
    missing, images, table, partition = [], None, None, {}
    try:
        images = _images(folder)
        if images is None:
            missing.append(f"{_IMAGES}/ or {_ZIP}")
    except UsageError as error:
        missing.append(f"the images: {error}")
    missing += [name for name in (_ATTRIBUTES, _PARTITION) if _find(folder, name) is None]
    if _PARTITION not in missing:
        partition = _numbers(_find(folder, _PARTITION), range(len(SPLITS)))
    if _ATTRIBUTES not in missing:
        table = _attribute_table(_find(folder, _ATTRIBUTES))
    wanted = [name for name, number in partition.items() if SPLITS[number] in splits]
    if images is not None:
        missing += _absent("images", wanted, images.names)
    if table is not None:
        missing += _absent("attribute rows", wanted, table.ids.tolist()) or _cut_off(table)
    if missing:
        raise UsageError(
            f"CelebA in {folder} is incomplete. Missing: {'; '.join(missing)}. Expected {CELEBA}."
        )
    return images, partition, table


def _absent(what: str, wanted: list[str], present: Iterable[str]) -> list[str]:
    absent = sorted(set(wanted).difference(present))
    if not absent:
        return []
    return [f"{len(absent)} of {len(wanted)} {what}, such as {', '.join(absent[:3])}"]


def _cut_off(table: _Table) -> list[str]:
    """What a download that ended early lacks, should the partition end there too."""
    lacking = table.count - len(table.ids)
    return [f"{lacking} of {table.count} attribute rows"] if lacking > 0 else []


def _numbers(path: Path, allowed: range | None = None) -> dict[str, int]:
    """A file of lines `NAME NUMBER`."""
    numbers = {}
    for line, text in enumerate(path.read_text().splitlines(), 1):
        parts = text.split()
        if not parts:
            continue
        valid = len(parts) == 2 and parts[1].isdecimal()
        if not valid or (allowed is not None and int(parts[1]) not in allowed):
            what = "NUMBER" if allowed is None else " or ".join(map(str, allowed))
            raise UsageError(f"{path}, line {line}: expected `FILE {what}`, got {text!r}.")
        numbers[parts[0]] = int(parts[1])
    return numbers


def _attribute_table(path: Path) -> _Table:
    lines = path.read_text().splitlines()
    header = lines[1].split() if len(lines) > 1 else []
    rows = [line.split() for line in lines[2:] if line.strip()]
    for number, row in enumerate(rows, 3):
        if len(row) != len(header) + 1 or not {"1", "-1"}.issuperset(row[1:]):
            raise UsageError(
                f"{path}, line {number}: expected a file name and {len(header)} times 1 or -1."
            )
    if not rows:
        raise UsageError(f"{path} lists no image. Expected a count, the names, and a row an image.")
    count = lines[0].strip()
    if not count.isdecimal():
        raise UsageError(f"{path}, line 1: expected the number of images, got {count!r}.")
    signs = np.array([row[1:] for row in rows]).astype(np.int8)
    return _Table(int(count), header, np.array([row[0] for row in rows]), signs)


def _people(folder: Path, ids: np.ndarray) -> np.ndarray | None:
    path = _find(folder, _IDENTITIES)
    if path is None:
        return None
    people = _numbers(path)
    unknown = [name for name in ids if name not in people]
    if unknown:
        raise UsageError(
            f"{path} does not name the person of {len(unknown)} images, such as {unknown[0]}."
        )
    return np.array([people[name] for name in ids])
