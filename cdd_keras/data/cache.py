"""Decoded and resized images, kept as memory-mapped .npy files."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import numpy as np

from cdd_keras.errors import CddError, UsageError
from cdd_keras.files import replacing

# Raise when what is stored changes its meaning.
_VERSION = 1
_BLOCK = 512


class UnreadableImagesError(UsageError):
    """Files that cannot be read as images, all of those asked for.

    reasons: position among those asked for -> the message, which names the file.
    """

    def __init__(self, reasons: dict[int, str]):
        super().__init__(f"{len(reasons)} images cannot be read: {' '.join(reasons.values())}")
        self.reasons = reasons


def cache_dir() -> Path:
    """$CDD_KERAS_CACHE, or ~/.cache/cdd_keras."""
    return Path(os.environ.get("CDD_KERAS_CACHE") or Path.home() / ".cache" / "cdd_keras")


def fingerprint(*parts) -> str:
    """A hash of anything JSON can write (paths as text)."""
    text = json.dumps([_VERSION, *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def cached_images(
    name: str, key: str, count: int, size: int, make: Callable[[], Iterable[np.ndarray]]
) -> np.ndarray:
    """The images stored under `key`, made and stored at the first call.

    Args:
        name: for the file's name, so that a person can tell the files apart.
        key: a fingerprint of everything that determines the images.
        make: called when nothing is stored; gives uint8 blocks (k, size, size, 3), in all
            `count` images.

    Returns:
        uint8 (count, size, size, 3), read-only and memory-mapped.

    Raises:
        CddError: the cache folder cannot be written.
    """
    path = cache_dir() / f"{name}-{size}px-{key}.npy"
    shape = (count, size, size, 3)
    stored = _open(path, shape)
    if stored is None:
        _write(path, shape, make)
        stored = _open(path, shape)
    return stored


def cached_files(
    name: str, key: str, files: Sequence, size: int, prepare: Callable[..., np.ndarray]
) -> np.ndarray:
    """`cached_images` of files that `prepare` reads and resizes one by one.

    Raises:
        UnreadableImagesError: `prepare` raised a CddError for some. They are noted, so that
            the next time not all have to be decoded to find them.
    """
    note = cache_dir() / f"{name}-{size}px-{key}.unreadable.json"
    noted = json.loads(note.read_text()) if note.exists() else []
    # Tried again: a file that could not be opened then may be open to us now.
    _refuse_unreadable({i: _attempt(prepare, files[i]) for i in noted})
    try:
        return cached_images(name, key, len(files), size, lambda: in_parallel(prepare, files))
    except UnreadableImagesError as error:
        with replacing(note) as temporary:
            temporary.write_text(json.dumps(list(error.reasons)))
        raise


def blocks(indices: Sequence) -> Iterable[np.ndarray]:
    """The indices, so many at a time as are worth preparing together."""
    return (indices[start : start + _BLOCK] for start in range(0, len(indices), _BLOCK))


def in_parallel(read: Callable[..., np.ndarray], indices: Sequence) -> Iterable[np.ndarray]:
    """`read` applied to each index by a pool of threads; blocks of images, in order.

    Raises:
        UnreadableImagesError: at the end, of all for which `read` raised a CddError.
    """
    failures = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, block in enumerate(blocks(indices)):
            results = list(pool.map(partial(_attempt, read), block))
            failures |= {
                number * _BLOCK + i: result
                for i, result in enumerate(results)
                if isinstance(result, CddError)
            }
            if not failures:
                yield np.stack(results)
    _refuse_unreadable(failures)


def _attempt(read: Callable[..., np.ndarray], index) -> np.ndarray | CddError:
    try:
        return read(index)
    except CddError as error:
        return error


def _refuse_unreadable(results: dict[int, np.ndarray | CddError]) -> None:
    reasons = {i: str(result) for i, result in results.items() if isinstance(result, CddError)}
    if reasons:
        raise UnreadableImagesError(reasons)


def _open(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    if not path.exists():
        return None
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        # A damaged file is made again.
        return None
    return stored if stored.shape == shape and stored.dtype == np.uint8 else None


def _write(path: Path, shape: tuple[int, ...], make: Callable[[], Iterable[np.ndarray]]) -> None:
    temporary = path.with_name(f".making-{uuid4().hex}.npy")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
    except OSError as error:
        raise CddError(
            f"The cache folder {path.parent} cannot be written: {error.strerror}. "
            "Set CDD_KERAS_CACHE to a folder that can."
        ) from error
    try:
        _fill(temporary, shape, make())
        # Readers see the whole file or none, also when two runs make it at once.
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _fill(path: Path, shape: tuple[int, ...], made: Iterable[np.ndarray]) -> None:
    filled = 0
    # Written, not mapped: on a full disk a write is refused, while a mapping ends the process.
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for block in made:
            _append(file, block)
            filled += len(block)
    if filled != shape[0]:
        raise CddError(f"Expected {shape[0]} images and read {filled}.")


def _append(file: BinaryIO, block: np.ndarray) -> None:
    try:
        file.write(np.ascontiguousarray(block, np.uint8))
        file.flush()
    except OSError as error:
        folder = Path(file.name).parent
        raise CddError(
            f"The images cannot be kept in {folder}: {error.strerror}. Make room there, or set "
            "CDD_KERAS_CACHE to a folder with more."
        ) from error
