"""Image files in a folder or an unopened zip, addressed by name."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from cdd_keras.data.images import decode_image, read_image
from cdd_keras.errors import CddError, UsageError

# What zipfile raises on a member that is damaged, encrypted or packed by other means.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


class FolderImages:
    """The files of one folder; `names` are relative to it.

    Reading one that is no image raises a CddError that names it.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.names = {path.name for path in folder.iterdir()}

    def read(self, name: str) -> np.ndarray:
        return read_image(self.folder / name)

    def stamps(self, names: list[str]) -> list:
        """What changes when one of the files does."""
        return [str(self.folder.resolve()), *(file_stamp(self.folder / name) for name in names)]


class ZipImages:
    """The files of a zip, by their last name whatever folder they are in.

    Reading one that is damaged or no image raises a CddError that names it.

    Raises:
        UsageError: the zip is damaged or incomplete.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise UsageError(
                f"{path} is damaged or not wholly downloaded ({error}). Download it again."
            ) from error
        members = (member for member in self._zip.namelist() if not member.endswith("/"))
        self._members = {member.rsplit("/", 1)[-1]: member for member in members}
        self.names = set(self._members)

    def read(self, name: str) -> np.ndarray:
        shown = f"{self.path}/{name}"
        try:
            data = self._zip.read(self._members[name])
        except _DAMAGED as error:
            raise CddError(f"{shown} is damaged: {error}.") from error
        return decode_image(data, shown)

    def stamps(self, names: list[str]) -> list:
        return [str(self.path.resolve()), file_stamp(self.path), names]


def file_stamp(path: Path) -> list:
    """A file's name, size and time of change."""
    stat = path.stat()
    return [path.name, stat.st_size, stat.st_mtime_ns]
