"""Many rows in requests that a server takes, several under way at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from serving.client.limits import MIB, Limits

Row, Result = TypeVar("Row"), TypeVar("Result")
# What a gRPC peer takes by default; one request holds more only where one row does.
USUAL = 4 * MIB


def stream(
    send: Callable[[list[Row]], Result], rows: Iterable[tuple[Row, int]], limits: Limits
) -> Iterator[Result]:
    """`send(batch)` for all rows, in their order.

    Args:
        send: sends up to `limits.rows` rows.
        rows: each with its bytes; taken as they are needed.
        limits: of a request, and how many are under way at a time.
    """
    pool = ThreadPoolExecutor(limits.in_flight)
    waiting: deque = deque()
    try:
        for batch in batches(rows, limits.rows):
            waiting.append(pool.submit(send, batch))
            if len(waiting) == limits.in_flight:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # On an error or Ctrl-C nobody waits for what is under way: closing the client ends it.
        pool.shutdown(wait=False, cancel_futures=True)


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
