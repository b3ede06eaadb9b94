"""Cutting rows into requests that a server takes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from serving.cli import UsageError

Row = TypeVar("Row")
MIB = 2**20
# What a gRPC peer takes by default; one request holds more only where one row does.
USUAL = 4 * MIB


@dataclass(frozen=True)
class Limits:
    """How much goes over the wire at once.

    Attributes:
        rows: images a request.
        message_mib: the largest message to send or receive, in MiB.
        in_flight: requests under way at a time.
    """

    rows: int = 32
    message_mib: int = 64
    in_flight: int = 4

    def __post_init__(self):
        for option, value, most in (
            ("batch size", self.rows, 4096),
            ("largest message in MiB", self.message_mib, 1024),
            ("number of requests in flight", self.in_flight, 256),
        ):
            if not 1 <= value <= most:
                raise UsageError(f"The {option} is out of range: {value}. Expected 1 to {most}.")

    @property
    def message_bytes(self) -> int:
        return self.message_mib * MIB


def batches(rows: Iterable[tuple[Row, int]], most: int, size: int = USUAL) -> Iterator[list[Row]]:
    """Lists of up to `most` rows and `size` bytes, in order; a larger row goes alone.

    Args:
        rows: each with its bytes.
        most: rows a list.
        size: bytes a list.
    """
    batch, total = [], 0
    for row, bytes_ in rows:
        if batch and (len(batch) == most or total + bytes_ > size):
            yield batch
            batch, total = [], 0
        batch.append(row)
        total += bytes_
    if batch:
        yield batch
