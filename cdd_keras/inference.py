"""What commands share that use a trained run: finding it, reading images, writing pictures.

Light until `open_run` is called: the checks before it need no TensorFlow.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cdd_keras import checkpoints
from cdd_keras.config import Config
from cdd_keras.data.attributes import Attribute
from cdd_keras.data.images import read_image
from cdd_keras.errors import CddError, UsageError
from cdd_keras.files import replacing
from cdd_keras.metrics.selection import pick_label_free
from cdd_keras.runs import RunFolder, evaluations

# Images read before any is handed on; as many pixels go through a network at a time.
MOST_IMAGES, MOST_PIXELS = 64, 2**20


@dataclass(frozen=True)
class StoredRun:
    """A run as its folder tells of it.

    Attributes:
        folder: where its files are.
        config: its settings.
        attribute: what its labels mean.
        names: domain -> what people call it.
        step: of the checkpoint that reports and commands use: the label-free pick, or the newest
            of a run that was not evaluated yet.
    """

    folder: RunFolder
    config: Config
    attribute: Attribute
    names: dict[str, str]
    step: int

    @property
    def batch_size(self) -> int:
        """Images to handle at a time, so that large ones need no more memory."""
        return max(1, min(MOST_IMAGES, MOST_PIXELS // self.config.image_size**2))


@dataclass(frozen=True)
class OpenRun(StoredRun):
    """A run ready for use.

    Attributes:
        preprocessing: from a picture of any size to what the model sees.
        model: the `CrossDomainModel` with the weights of `step`, not compiled.
    """

    preprocessing: Any
    model: Any

    @property
    def shown(self) -> Attribute:
        """The attribute with its values as the method knows them: codes of its own are numbers."""
        return self.attribute if self.model.traits.names_values else self.attribute.unnamed()


def find_run(path: str | Path) -> StoredRun:
    """Reads what a run folder tells without its model.

    Raises:
        UsageError: `path` is not a run folder.
        CddError: its labels or its checkpoint are missing.
    """
    folder = RunFolder(Path(path))
    if not folder.path.is_dir():
        found = "is not a folder" if folder.path.exists() else "does not exist"
        raise UsageError(
            f"The run {found}: {folder.path}. Expected a folder that "
            "`python -m cdd_keras.train` wrote."
        )
    config = folder.read_config()
    attribute, names = folder.read_labels()
    return StoredRun(folder, config, attribute, names, _step(folder, config))


def _step(folder: RunFolder, config: Config) -> int:
    found = checkpoints.steps(folder.checkpoints)
    if not found:
        raise CddError(
            f"{folder.path} has no checkpoint: expected checkpoints/step-*.weights.h5. Training "
            "writes the first with its first evaluation; go on with it by --resume."
        )
    rows = evaluations(folder.read_rows())
    step = pick_label_free(rows, config.criterion)[0].step if rows else found[-1]
    if step not in found:
        raise CddError(
            f"{checkpoints.path_of(folder.checkpoints, step)} is missing: the checkpoint picked "
            f"by {folder.metrics}. There are those of the steps {', '.join(map(str, found))}."
        )
    return step


def open_run(
    path: str | Path, precision: str = "float32", strengths: dict[str, float] | None = None
) -> OpenRun:
    """A run with its model, as trained up to the label-free pick.

    Args:
        path: the run folder.
        precision: the arithmetic, see `Config.precision`. In float32 the answers are the same on
            every machine, and those of an export.
        strengths: of edits, in place of the settings of the run.

    Raises:
        UsageError, CddError: as `find_run`; or the checkpoint cannot be read.
    """
    stored = find_run(path)
    stored = replace(stored, config=stored.config.replace(**strengths or {}))
    from cdd_keras.data.preprocessing import preprocessing_for
    from cdd_keras.model import CrossDomainModel
    from cdd_keras.precision import use_precision

    use_precision(precision)
    # Without optimisers: Keras reads the networks of a checkpoint and leaves theirs alone.
    model = CrossDomainModel(stored.config, stored.attribute.classes)
    checkpoints.load(model, stored.folder.checkpoints, stored.step)
    return OpenRun(**vars(stored), preprocessing=preprocessing_for(stored.config), model=model)


def require(run: OpenRun, *parts: str) -> None:
    """Checks that the method of a run has networks, "encoder" or "generator", to work with.

    Raises:
        UsageError: it lacks one.
    """
    for part in parts:
        if not getattr(run.model, f"has_{part}"):
            raise refusal(run, f"has no {part}. Use a run of a method that has one, such as cdd")


def refusal(run: OpenRun, lack: str) -> UsageError:
    """The error that says what the method of a run cannot do: "draws no target images"."""
    return UsageError(
        f"The run {run.folder.path} was trained by method {run.config.method}, which {lack}."
    )


class ImageReader:
    """Reads image files batch by batch; what cannot be read is told, counted and skipped.

    Args:
        preprocessing: see `OpenRun`.
        say: called with a message for each file that cannot be read, when it is met.
        batch_size: images a batch; no more are held at a time.

    Attributes:
        read: images read so far.
        unreadable: paths of those that could not be.
    """

    def __init__(self, preprocessing, say: Callable[[str], None], batch_size: int = MOST_IMAGES):
        self.preprocessing = preprocessing
        self.say = say
        self.batch_size = batch_size
        self.read = 0
        self.unreadable: list[Path] = []

    def __call__(self, paths: Iterable[Path]) -> Iterator[tuple[list[Path], np.ndarray]]:
        """Yields (paths, uint8 images (batch, size, size, 3)), in order; no batch is empty."""
        rest = iter(paths)
        # One picture a thread is decoded at a time, however large; results are small.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            while block := list(islice(rest, self.batch_size)):
                results = zip(block, pool.map(self._prepare, block), strict=True)
                pairs = [(path, image) for path, image in results if self._is_image(path, image)]
                if pairs:
                    self.read += len(pairs)
                    read, images = zip(*pairs, strict=True)
                    yield list(read), np.stack(images)

    def _prepare(self, path: Path) -> np.ndarray | CddError:
        try:
            return self.preprocessing.apply(read_image(path)[None])[0]
        except CddError as error:
            return error

    def _is_image(self, path: Path, result: np.ndarray | CddError) -> bool:
        if isinstance(result, CddError):
            self.unreadable.append(path)
            self.say(f"skipped: {shown(result)}")
            return False
        return True

    @property
    def exit_code(self) -> int:
        """1 if there was something to read and none of it could be."""
        return int(self.read == 0 and bool(self.unreadable))

    def summary(self, done: str) -> str:
        """`translated 9 images, skipped 2 that cannot be read`; `done` is the verb."""
        text = f"{done} {self.read} {'image' if self.read == 1 else 'images'}"
        skipped = len(self.unreadable)
        return text + (f", skipped {skipped} that cannot be read" if skipped else "")


def distinct(paths: Sequence[Path]) -> list[Path]:
    """The paths without those of a file that was named before, perhaps in its folder."""
    return list({os.path.abspath(path): path for path in reversed(paths)}.values())[::-1]


def shown(text) -> str:
    """Text, or a path, that can be printed: a file's name need not be valid Unicode."""
    return str(text).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def make_folder(option: str, path: Path) -> None:
    """Makes a folder for what a command will write, with those above it.

    Raises:
        UsageError: it cannot be made or written to; it names the `option`.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"`{option}`: {path} is not a folder, or lies in none.") from None
    except OSError as error:
        raise UsageError(f"`{option}`: {path} cannot be made: {error.strerror}.") from error
    if not os.access(path, os.W_OK):
        raise UsageError(f"`{option}`: {path} cannot be written to. Name another place.")


def save_picture(image: Image.Image, path: Path) -> None:
    """Writes a PNG whole or not at all.

    Raises:
        CddError: it cannot be written.
    """
    try:
        with replacing(path) as temporary:
            image.save(temporary, format="PNG")
    except OSError as error:
        raise CddError(f"{path} cannot be written: {error.strerror or error}.") from error
