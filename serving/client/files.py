"""Files and folders that commands write."""

import os
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from serving.cli import UsageError
from serving.client.errors import ClientError


def write_file(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all.

    Raises:
        ClientError: it cannot be written.
    """
    # Pods that share a folder all have one process number.
    temporary = path.with_name(f".{uuid.uuid4().hex}.{path.name}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ClientError(f"{path} cannot be written: {error.strerror}.") from error


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


def check_png(option: str, path: Path) -> None:
    """Checks that a picture can be written, and makes its folder.

    Raises:
        UsageError: it cannot, or the name is not a PNG's; it names the `option`.
    """
    if path.is_dir():
        raise UsageError(
            f"`{option}` is a folder: {path}. Expected a file, such as {path}/grid.png."
        )
    if path.suffix.lower() != ".png":
        raise UsageError(f"`{option}` is not a PNG file: {path}. Expected a name ending in .png.")
    make_folder(option, path.parent)


def inputs_beside(found: Sequence[Path], named: Sequence[str], out: Path) -> list[Path]:
    """The images found without those that an earlier command left in `out`.

    They stay where `out`, or a place in it, was named itself.

    Raises:
        UsageError: nothing else is there.
    """
    place = out.resolve()
    if any(place in (Path(name).resolve(), *Path(name).resolve().parents) for name in named):
        return list(found)
    paths = [path for path in found if place not in path.resolve().parents]
    if not paths:
        raise UsageError(f"There are no images but those in {out}, where the results go.")
    return paths


def output_files(paths: Sequence[Path], out: Path) -> list[Path]:
    """A PNG in `out` for each image: all different, and none of the images itself.

    `a.jpg` becomes `a.png`. Where two images would share that, or it is an image given, it
    becomes `a.jpg.png`, then `folder_a.jpg.png`, and so on upwards, as in `cdd_keras.translate`.

    Args:
        paths: image files, each once.
        out: an existing folder.
    """
    given = {_key(path) for path in paths}
    lengths = [0] * len(paths)
    while True:
        files = [
            out / _name(path, number, length)
            for number, (path, length) in enumerate(zip(paths, lengths, strict=True))
        ]
        keys = [_key(file) for file in files]
        count = Counter(keys)
        taken = [count[key] > 1 or key in given for key in keys]
        if not any(taken):
            return files
        lengths = [length + clash for length, clash in zip(lengths, taken, strict=True)]


def _key(path: Path) -> str:
    # Links in the way are followed, but replacing a file that is a link replaces the link. A
    # file system may take `A.png` and `a.png` for one.
    return os.path.join(os.path.realpath(path.parent), path.name).casefold()


def _name(path: Path, number: int, length: int) -> str:
    """A name from the last `length` parts of a path; 0 for its stem alone."""
    parts = path.absolute().parts[1:]
    # `a_b/c` and `a/b_c` do not even differ as a whole: then the image's number helps.
    prefix = f"{number}_" * max(0, length - len(parts))
    return prefix + ("_".join(parts[-length:]) if length else path.stem) + ".png"
