"""Handwritten digits in .npz files: MNIST, USPS and the like."""

import zipfile
from pathlib import Path

import numpy as np

from cdd_keras.data.attributes import Attribute
from cdd_keras.data.cache import blocks, cached_images, fingerprint
from cdd_keras.data.layouts import DIGITS, data_folder
from cdd_keras.data.preprocessing import Preprocessing
from cdd_keras.data.sets import TEST, TRAIN, Collection
from cdd_keras.data.splits import carve
from cdd_keras.data.storage import file_stamp
from cdd_keras.errors import UsageError

DIGIT = Attribute("digit", tuple("0123456789"))


def open_collections(
    config, preprocessing: Preprocessing, splits: tuple[str, ...]
) -> tuple[Collection, Collection]:
    """The two sets of digits that `config.domains` names, such as mnist-usps.

    Only the arrays of the splits asked are read; validation is a part of train.

    Raises:
        UsageError: a file is missing or lacks such an array.
    """
    folder = data_folder(config)
    paths = [folder / f"{name}.npz" for name in config.domains.split("-")]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        there = ", ".join(sorted(path.name for path in folder.glob("*.npz"))) or "none"
        raise UsageError(
            f"`domains` is {config.domains!r}, but {folder} lacks {' and '.join(missing)}. "
            f"Files there: {there}. Expected {DIGITS}."
        )
    parts = tuple(dict.fromkeys(TEST if split == TEST else TRAIN for split in splits))
    fraction = config.validation_fraction
    return tuple(_collection(path, parts, preprocessing, fraction) for path in paths)


def _collection(
    path: Path, parts: tuple[str, ...], preprocessing: Preprocessing, validation_fraction: float
) -> Collection:
    arrays = _load(path, parts)
    images = np.concatenate([_rgb(arrays[f"{part}_images"]) for part in parts])
    labels = np.concatenate([arrays[f"{part}_labels"] for part in parts])
    counts = [len(arrays[f"{part}_labels"]) for part in parts]
    # Numbered within their part: an image is called the same whatever is read beside it.
    ids = np.array(
        [
            f"{path.stem}-{part}-{index:06d}"
            for part, count in zip(parts, counts, strict=True)
            for index in range(count)
        ]
    )

    def read(indices: np.ndarray) -> np.ndarray:
        stamp = [str(path.resolve()), file_stamp(path)]
        key = fingerprint("digits", stamp, ids[indices].tolist(), preprocessing.get_config())
        return cached_images(
            path.stem, key, len(indices), preprocessing.image_size,
            lambda: (preprocessing.apply(images[block]) for block in blocks(indices)),
        )  # fmt: skip

    columns = {DIGIT.name: (DIGIT, labels.astype(np.int32))}
    # Their test images are their own, read or not: none is carved from train.
    splits = carve(np.repeat(parts, counts), validation_fraction, test_fraction=0)
    return Collection(f"the digits of {path}", ids, splits, columns, read)


def _rgb(images: np.ndarray) -> np.ndarray:
    """Grey (n, height, width) or colour (n, height, width, 3) -> (n, height, width, 3)."""
    return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=-1)


def _load(path: Path, parts: tuple[str, ...]) -> dict[str, np.ndarray]:
    names = [f"{part}_{kind}" for part in parts for kind in ("images", "labels")]
    try:
        with np.load(path, allow_pickle=False) as stored:
            missing = [name for name in names if name not in stored.files]
            arrays = {name: stored[name] for name in names if name not in missing}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} is damaged: {error}. Expected an .npz file.") from error
    if missing:
        raise UsageError(f"{path} lacks {', '.join(missing)}. Expected {DIGITS}.")
    _check(path, arrays, parts)
    return arrays


def _check(path: Path, arrays: dict[str, np.ndarray], parts: tuple[str, ...]) -> None:
    shapes = {arrays[f"{part}_images"].shape[1:] for part in parts}
    if len(shapes) > 1:
        raise UsageError(f"{path}: train and test images differ in shape: {shapes}.")
    for part in parts:
        images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
        grey = images.ndim == 3
        if images.dtype != np.uint8 or not (grey or (images.ndim == 4 and images.shape[3] == 3)):
            raise UsageError(
                f"{path}: {part}_images must be uint8 (n, height, width) or (n, height, width, "
                f"3), got {images.dtype} {images.shape}."
            )
        digits = np.issubdtype(labels.dtype, np.integer) and np.isin(labels, range(10)).all()
        if labels.shape != images.shape[:1] or not digits:
            raise UsageError(f"{path}: {part}_labels must be a digit 0 to 9 for each image.")
