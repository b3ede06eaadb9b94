"""Folders of images sent to a server; what cannot be read, or is refused, is told and skipped."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import grpc

from serving.client.client import Send
from serving.client.errors import CallError, ImageError, TooLargeError
from serving.client.images import image_bytes
from serving.client.limits import Limits
from serving.client.progress import Progress
from serving.client.streaming import stream

# Files read before any is handed on.
_AHEAD = 16


class FolderSender:
    """Sends image files in requests and gives an answer each.

    Args:
        send: a function of a `Client`, such as `client.classifying("target")`.
        limits: of that client.
        progress: told of every file.

    Attributes:
        done: images answered so far.
        skipped: those that were not.
    """

    def __init__(self, send: Send, limits: Limits, progress: Progress):
        self.send = send
        self.limits = limits
        self.progress = progress
        self.done = self.skipped = 0

    def __call__(self, paths: Sequence[Path]) -> Iterator[tuple[Path, bytes, object]]:
        """Yields (path, bytes sent, answer), in order.

        Raises:
            CallError: a request failed, and not for what one of its images is.
        """
        rows = (((path, file), len(file)) for path, file in self._read(paths))
        for batch in stream(self._answers, rows, self.limits):
            refused = [answer for *_, answer in batch if isinstance(answer, CallError)]
            # It is not the images, then.
            if len(refused) == len(batch) > 1 and not self.done:
                raise refused[0]
            for path, file, answer in batch:
                if isinstance(answer, CallError):
                    self._skip(f"{path} is refused: {answer.message}")
                else:
                    self.done += 1
                    yield path, file, answer
            self.progress.advance(len(batch))

    def _answers(self, rows: list[tuple[Path, bytes]]) -> list[tuple[Path, bytes, object]]:
        paths, files = map(list, zip(*rows, strict=True))
        return list(zip(paths, files, _each(self.send, files), strict=True))

    def _read(self, paths) -> Iterator[tuple[Path, bytes]]:
        rest = iter(paths)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            while block := list(islice(rest, _AHEAD)):
                for path, result in zip(block, pool.map(_read, block), strict=True):
                    if isinstance(result, ImageError):
                        self._skip(str(result))
                        self.progress.advance(1)
                    else:
                        yield path, result

    def _skip(self, reason: str) -> None:
        self.skipped += 1
        self.progress.say(f"skipped: {shown(reason)}")

    @property
    def exit_code(self) -> int:
        """1 if nothing was answered."""
        return int(self.done == 0)

    def summary(self, verb: str) -> str:
        """`translated 9 images, skipped 2`."""
        text = f"{verb} {self.done} {'image' if self.done == 1 else 'images'}"
        return text + (f", skipped {self.skipped}" if self.skipped else "")


def _read(path: Path) -> bytes | ImageError:
    try:
        return image_bytes(path)
    except ImageError as error:
        return error


def _each(send: Send, files: list[bytes]) -> list:
    """An answer, or the error it met, for each file: one image may fail its whole request."""
    try:
        return list(send(files))
    except CallError as error:
        if error.code != grpc.StatusCode.INVALID_ARGUMENT and not isinstance(error, TooLargeError):
            raise
        return [error] if len(files) == 1 else [_each(send, [file])[0] for file in files]


def shown(text) -> str:
    """Text, or a path, that can be printed: a file's name need not be valid Unicode."""
    return str(text).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
