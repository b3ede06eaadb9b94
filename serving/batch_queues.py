"""Requests that wait, gathered into batches: in queues by model, signature and shapes."""

import time
from collections import deque
from dataclasses import dataclass, field

from serving.batching_parameters import BatchingParameters
from serving.calls import Call
from serving.errors import unavailable
from serving.rows import split
from serving.waiting import Waiter


@dataclass(eq=False)
class Task:
    """A request, or a part of one, that waits for its outputs."""

    inputs: dict
    rows: int
    call: Call
    waiter: Waiter
    outputs: dict | None = None
    # (code, message) of what went wrong.
    failure: tuple | None = None


@dataclass(eq=False)
class Batch:
    """Tasks that are to be run together."""

    servable: object
    signature: str
    born: float = field(default_factory=time.monotonic)
    tasks: list = field(default_factory=list)
    rows: int = 0
    closed: bool = False

    def add(self, task: Task) -> None:
        """Takes one more."""
        self.tasks.append(task)
        self.rows += task.rows


class BatchQueues:
    """The batches that wait. Nothing here locks; `Batcher` does, around every call.

    Args:
        parameters: sizes and times.
    """

    def __init__(self, parameters: BatchingParameters):
        self._parameters = parameters
        self._queues: dict[tuple, deque[Batch]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def add(
        self, servable, signature: str, inputs: dict, rows: int, call: Call, waiter: Waiter
    ) -> list[Task]:
        """Puts a request into batches: its tasks, in the rows' order.

        Raises:
            ServingError: UNAVAILABLE where its queue has no room; no part of it waits then.
        """
        kinds = tuple(
            (alias, array.dtype, array.shape[1:]) for alias, array in sorted(inputs.items())
        )
        key = (servable, signature, kinds)
        limit = self._parameters
        queue = self._queues.get(key, ())
        last = queue[-1] if queue else None
        room = limit.batch_rows - last.rows if last and not last.closed else 0
        sizes = limit.parts(rows, room)
        if len(queue) + len(sizes) - (sizes[0] <= room) > limit.max_enqueued_batches:
            raise unavailable(_full(limit, len(queue), rows, room))
        queue = self._queues.setdefault(key, deque())
        parts = zip(split(inputs, sizes), sizes, strict=True)
        tasks = [Task(part, size, call, waiter) for part, size in parts]
        waiter.expect(len(tasks))
        for task in tasks:
            if task.rows > room:
                if last is not None:
                    last.closed = True
                last = Batch(servable, signature)
                queue.append(last)
            last.add(task)
            room = limit.batch_rows - last.rows
            last.closed = room == 0
        return tasks

    def take(self, at_once: bool) -> tuple[Batch | None, float | None]:
        """The batch that has waited longest of those that are due, taken out of its queue.

        Args:
            at_once: whether all are due.

        Returns:
            It, or None and the seconds until one is due; None for those where nothing waits.
        """
        now, first = time.monotonic(), None
        for key, queue in self._queues.items():
            due = 0 if queue[0].closed or at_once else self._due(queue[0])
            if first is None or (due > now, queue[0].born) < first[:2]:
                first = (due > now, queue[0].born, due, key)
        if first is None:
            return None, None
        later, _, due, key = first
        if later:
            return None, due - now
        queue = self._queues[key]
        batch = queue.popleft()
        if not queue:
            del self._queues[key]
        return batch, None

    def _due(self, batch):
        return batch.born + self._parameters.batch_timeout_micros / 1e6


def _full(limit, waiting, rows, room):
    """What TensorFlow Serving says of a full queue."""
    full = "The batch scheduling queue to which this task was submitted is full; "
    if not limit.enable_large_batch_splitting:
        return full + (
            f"currently {waiting} batches enqueued and max_enqueued_batches is "
            f"{limit.max_enqueued_batches}"
        )
    free = (limit.max_enqueued_batches - waiting) * limit.batch_rows + room
    return full + (
        f"task size is {rows} but scheduling capacity is only {free} "
        f"(num_enqueued_batches={waiting}, "
        f"max_enqueued_batches={limit.max_enqueued_batches}, "
        f"open_batch_size={limit.batch_rows - room if room else 0}, "
        f"max_execution_batch_size={limit.batch_rows})"
    )
