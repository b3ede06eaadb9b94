"""Handwritten digits in .npz files: MNIST, USPS and the like."""

import zipfile
from pathlib import Path

import numpy as np

from cdd_keras.data.attributes import Attribute
from cdd_keras.data.cache import blocks, cached_images, fingerprint
from cdd_keras.data.preprocessing import Preprocessing
from cdd_keras.data.sets import TEST, TRAIN, Collection
from cdd_keras.data.splits import carve
from cdd_keras.data.storage import data_folder, file_stamp
from cdd_keras.errors import UsageError

DIGIT = Attribute("digit", tuple("0123456789"))
_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
LAYOUT = "a folder with mnist.npz and usps.npz, each holding " + ", ".join(_ARRAYS)


def open_collections(
    config, preprocessing: Preprocessing, splits: tuple[str, ...]
) -> tuple[Collection, Collection]:
    """The two sets of digits that `config.domains` names, such as mnist-usps.

    Raises:
        UsageError: a file is missing or lacks an array.
    """
    folder = data_folder(config, LAYOUT)
    paths = [folder / f"{name}.npz" for name in config.domains.split("-")]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        there = ", ".join(sorted(path.name for path in folder.glob("*.npz"))) or "none"
        raise UsageError(
            f"`domains` is {config.domains!r}, but {folder} lacks {' and '.join(missing)}. "
            f"Files there: {there}. Expected {LAYOUT}."
        )
    return tuple(_collection(path, preprocessing, config.validation_fraction) for path in paths)


def _collection(path: Path, preprocessing: Preprocessing, validation_fraction: float) -> Collection:
    arrays = _load(path)
    train = len(arrays["train_images"])
    images = np.concatenate([_rgb(arrays[f"{split}_images"]) for split in (TRAIN, TEST)])
    labels = np.concatenate([arrays[f"{split}_labels"] for split in (TRAIN, TEST)])
    splits = np.where(np.arange(len(images)) < train, TRAIN, TEST)
    ids = np.array([f"{path.stem}-{index:06d}" for index in range(len(images))])

    def read(indices: np.ndarray) -> np.ndarray:
        stamp = [str(path.resolve()), file_stamp(path)]
        key = fingerprint("digits", stamp, indices.tolist(), preprocessing.get_config())
        return cached_images(
            path.stem, key, len(indices), preprocessing.image_size,
            lambda: (preprocessing.apply(images[block]) for block in blocks(indices)),
        )  # fmt: skip

    columns = {DIGIT.name: (DIGIT, labels.astype(np.int32))}
    name = f"the digits of {path}"
    return Collection(name, ids, carve(splits, validation_fraction), columns, read)


def _rgb(images: np.ndarray) -> np.ndarray:
    """Grey (n, height, width) or colour (n, height, width, 3) -> (n, height, width, 3)."""
    return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=-1)


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in _ARRAYS if name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} is damaged: {error}. Expected an .npz file.") from error
    _check(path, arrays)
    return arrays


def _check(path: Path, arrays: dict[str, np.ndarray]) -> None:
    missing = [name for name in _ARRAYS if name not in arrays]
    if missing:
        raise UsageError(f"{path} lacks {', '.join(missing)}. Expected {LAYOUT}.")
    shapes = {arrays[f"{split}_images"].shape[1:] for split in (TRAIN, TEST)}
    if len(shapes) > 1:
        raise UsageError(f"{path}: train and test images differ in shape: {shapes}.")
    for split in (TRAIN, TEST):
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        grey = images.ndim == 3
        if images.dtype != np.uint8 or not (grey or (images.ndim == 4 and images.shape[3] == 3)):
            raise UsageError(
                f"{path}: {split}_images must be uint8 (n, height, width) or (n, height, width, "
                f"3), got {images.dtype} {images.shape}."
            )
        digits = np.issubdtype(labels.dtype, np.integer) and np.isin(labels, range(10)).all()
        if labels.shape != images.shape[:1] or not digits:
            raise UsageError(f"{path}: {split}_labels must be a digit 0 to 9 for each image.")
