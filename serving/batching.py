"""Requests gathered into batches, as TensorFlow Serving's batching session gathers them.

Unlike there, requests wait in queues by shape, and where a batch fails each request is run alone,
so that one bad request fails itself and no other.
"""

import threading
import time
from collections import deque
from dataclasses import dataclass, field

from serving.batching_parameters import BatchingParameters
from serving.calls import Call
from serving.errors import as_serving_error, deadline_exceeded, invalid, unavailable
from serving.rows import check_rows, joined, number_of_rows, split


class Direct:
    """Runs each request by itself."""

    def run(self, servable, signature: str, inputs: dict, call: Call) -> dict:
        """The outputs of one request; raises as `Servable.run`."""
        return servable.run(signature, inputs, call)

    def close(self) -> None:
        """Nothing to end."""


@dataclass(eq=False)
class _Task:
    """A request, or a part of one, that waits for its outputs."""

    inputs: dict
    rows: int
    call: Call
    done: threading.Event = field(default_factory=threading.Event)
    outputs: dict | None = None
    error: Exception | None = None

    def finish(self, outputs=None, error=None):
        self.outputs, self.error = outputs, error
        self.done.set()


@dataclass(eq=False)
class _Batch:
    """Tasks that are to be run together."""

    servable: object
    signature: str
    born: float = field(default_factory=time.monotonic)
    tasks: list = field(default_factory=list)
    rows: int = 0
    closed: bool = False

    def add(self, task):
        self.tasks.append(task)
        self.rows += task.rows


class Batcher:
    """Runs requests in batches on threads of its own.

    Args:
        parameters: sizes, times and numbers of threads.
    """

    def __init__(self, parameters: BatchingParameters):
        self._parameters = parameters
        self._changed = threading.Condition()
        self._queues: dict[tuple, deque[_Batch]] = {}
        self._closed = False
        self._running = 0
        self._threads = [
            threading.Thread(target=self._work, name=f"batch-{n}", daemon=True)
            for n in range(parameters.num_batch_threads)
        ]
        for thread in self._threads:
            thread.start()

    def run(self, servable, signature: str, inputs: dict, call: Call) -> dict:
        """The outputs of one request, which may have shared a batch with others.

        Raises:
            ServingError: INVALID_ARGUMENT for rows that differ in number or are too many,
                UNAVAILABLE where the queue is full; else as `Servable.run`.
        """
        rows = number_of_rows(inputs)
        if rows == 0:
            return servable.run(signature, inputs, call)
        if rows > self._parameters.max_batch_size:
            raise invalid(
                f"Task size {rows} is larger than maximum input batch size "
                f"{self._parameters.max_batch_size}"
            )
        tasks = self._offer(servable, signature, inputs, rows, call)
        call.on_cancel(lambda: [task.done.set() for task in tasks])
        for task in tasks:
            if not task.done.wait(call.remaining()):
                # Said here and not left to `check`, for whose clock it may be a moment too early.
                raise deadline_exceeded()
        call.check()
        for task in tasks:
            if task.error is not None:
                raise task.error
        return tasks[0].outputs if len(tasks) == 1 else _put_together(tasks)

    @property
    def state(self) -> tuple[int, int]:
        """(batches that are being run, batches that wait)."""
        with self._changed:
            return self._running, sum(map(len, self._queues.values()))

    def close(self) -> None:
        """Runs what waits, then ends the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _offer(self, servable, signature, inputs, rows, call):
        """The request's tasks, in the rows' order, each in a batch."""
        kinds = tuple(
            (alias, array.dtype, array.shape[1:]) for alias, array in sorted(inputs.items())
        )
        key = (servable, signature, kinds)
        limit = self._parameters
        with self._changed:
            queue = self._queues.get(key, ())
            last = queue[-1] if queue else None
            room = limit.batch_rows - last.rows if last and not last.closed else 0
            sizes = self._sizes(rows, room)
            if len(queue) + len(sizes) - (sizes[0] <= room) > limit.max_enqueued_batches:
                raise unavailable(self._full(len(queue), rows, room))
            queue = self._queues.setdefault(key, deque())
            tasks = [_Task(part, size, call) for part, size in split(inputs, sizes)]
            for task in tasks:
                if task.rows > room:
                    if last is not None:
                        last.closed = True
                    last = _Batch(servable, signature)
                    queue.append(last)
                last.add(task)
                room = limit.batch_rows - last.rows
                last.closed = room == 0
                self._changed.notify()
        return tasks

    def _full(self, waiting, rows, room):
        """What TensorFlow Serving says of a full queue."""
        limit = self._parameters
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

    def _sizes(self, rows, room):
        """Rows of each part of a request, where a batch has so much room left."""
        if not self._parameters.enable_large_batch_splitting:
            return [rows]
        most = self._parameters.batch_rows
        first = min(rows, room or most)
        whole, rest = divmod(rows - first, most)
        return [first, *[most] * whole, *[rest] * (rest > 0)]

    def _work(self):
        while (batch := self._next()) is not None:
            self._execute(batch)
            with self._changed:
                self._running -= 1
            # Nothing here may keep a model that is being let go.
            del batch

    def _next(self):
        """The batch that has waited longest of those that are due; None at the end."""
        with self._changed:
            while True:
                now, first = time.monotonic(), None
                for key, queue in self._queues.items():
                    due = 0 if queue[0].closed or self._closed else self._due(queue[0])
                    if first is None or (due > now, queue[0].born) < first[:2]:
                        first = (due > now, queue[0].born, due, key)
                if first is not None and not first[0]:
                    return self._take(first[3])
                if self._closed:
                    return None
                self._changed.wait(None if first is None else first[2] - now)

    def _due(self, batch):
        return batch.born + self._parameters.batch_timeout_micros / 1e6

    def _take(self, key):
        queue = self._queues[key]
        batch = queue.popleft()
        if not queue:
            del self._queues[key]
        self._running += 1
        return batch

    def _execute(self, batch):
        tasks = [task for task in batch.tasks if not task.call.cancelled]
        if len(tasks) > 1:
            try:
                outputs = self._together(batch, tasks)
            except Exception:
                # Whose fault it was is found out by running each alone.
                outputs = None
            if outputs is not None:
                for task, one in zip(tasks, outputs, strict=True):
                    task.finish(one)
                return
        for task in tasks:
            try:
                task.finish(self._together(batch, [task])[0])
            except Exception as error:
                task.finish(error=as_serving_error(error))

    def _together(self, batch, tasks):
        """Each task's outputs, of one run."""
        sizes = [task.rows for task in tasks]
        total = sum(sizes)
        padding = self._parameters.padded(total) - total
        inputs = {
            alias: joined([task.inputs[alias] for task in tasks], padding)
            for alias in tasks[0].inputs
        }
        outputs = batch.servable.run(batch.signature, inputs, _Shared(tasks))
        if len(tasks) == 1 and not padding:
            return [outputs]
        for alias, array in outputs.items():
            check_rows(array, total + padding, alias)
        return [part for part, _ in split(outputs, sizes)]


class _Shared(Call):
    """The call of a batch: cancelled once all of its tasks are."""

    def __init__(self, tasks):
        super().__init__()
        self._left = len(tasks)
        for task in tasks:
            task.call.on_cancel(self._one_less)

    def _one_less(self):
        with self._lock:
            self._left -= 1
            over = self._left == 0
        if over:
            self.cancel()


def _put_together(tasks):
    """The outputs of a request that was split."""
    for task in tasks:
        for alias, array in task.outputs.items():
            check_rows(array, task.rows, alias)
    aliases = tasks[0].outputs
    return {alias: joined([task.outputs[alias] for task in tasks]) for alias in aliases}
