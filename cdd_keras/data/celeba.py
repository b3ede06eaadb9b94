"""CelebA in its standard layout, unpacked or with the images still zipped."""

from pathlib import Path

import numpy as np

from cdd_keras.data.attributes import binary_attribute
from cdd_keras.data.cache import cached_images, fingerprint, in_parallel
from cdd_keras.data.preprocessing import Preprocessing
from cdd_keras.data.sets import SPLITS, Collection
from cdd_keras.data.storage import FolderImages, ZipImages, data_folder
from cdd_keras.errors import UsageError

_IMAGES, _ZIP = "img_align_celeba", "img_align_celeba.zip"
_ATTRIBUTES, _PARTITION = "list_attr_celeba.txt", "list_eval_partition.txt"
_IDENTITIES = "identity_CelebA.txt"
LAYOUT = (
    f"a folder with {_IMAGES}/ (or {_ZIP}, unopened), {_ATTRIBUTES} and {_PARTITION}; "
    f"{_IDENTITIES} is optional. See https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
)


def open_collections(
    config, preprocessing: Preprocessing, splits: tuple[str, ...]
) -> tuple[Collection]:
    """The images of the splits asked; the others may be absent.

    Raises:
        UsageError: something is missing (all of it is named) or cannot be parsed.
    """
    folder = data_folder(config, LAYOUT)
    images, partition = _complete(folder, splits)
    header, ids, signs = _attribute_table(_find(folder, _ATTRIBUTES))
    listed = np.array([name in partition for name in ids], bool)
    ids, signs = ids[listed], signs[listed]
    columns = {
        name: (binary_attribute(name), (signs[:, i] > 0).astype(np.int32))
        for i, name in enumerate(header)
    }

    def prepare(name: str) -> np.ndarray:
        return preprocessing.apply(images.read(name)[None])[0]

    def read(indices: np.ndarray) -> np.ndarray:
        names = ids[indices].tolist()
        key = fingerprint("celeba", images.stamps(names), preprocessing.get_config())
        size = preprocessing.image_size
        return cached_images("celeba", key, len(names), size, lambda: in_parallel(prepare, names))

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


def _complete(folder: Path, splits: tuple[str, ...]) -> tuple[FolderImages | ZipImages, dict]:
    """The images and the partition, after checking that nothing of the data is missing."""
    missing, images, partition = [], None, {}
    try:
        images = _images(folder)
        if images is None:
            missing.append(f"{_IMAGES}/ or {_ZIP}")
    except UsageError as error:
        missing.append(f"the images: {error}")
    missing += [name for name in (_ATTRIBUTES, _PARTITION) if _find(folder, name) is None]
    if _PARTITION not in missing:
        partition = _numbers(_find(folder, _PARTITION), range(len(SPLITS)))
    if images is not None and partition:
        missing += _missing_images(images.names, partition, splits)
    if missing:
        raise UsageError(
            f"CelebA in {folder} is incomplete. Missing: {'; '.join(missing)}. Expected {LAYOUT}."
        )
    return images, partition


def _missing_images(present: set[str], partition: dict, splits: tuple[str, ...]) -> list[str]:
    wanted = [name for name, number in partition.items() if SPLITS[number] in splits]
    absent = sorted(set(wanted) - present)
    if not absent:
        return []
    return [f"{len(absent)} of {len(wanted)} images, such as {', '.join(absent[:3])}"]


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


def _attribute_table(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The attributes' names, the images' names (n,) and the signs int8 (n, attributes)."""
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
    signs = np.array([row[1:] for row in rows]).astype(np.int8)
    return header, np.array([row[0] for row in rows]), signs


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
