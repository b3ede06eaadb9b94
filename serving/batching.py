"""Requests gathered into batches, as TensorFlow Serving's batching session gathers them.

Unlike there, requests wait in queues by shape, and where a batch fails each request is run alone,
so that one bad request fails itself and no other.
"""

import asyncio
import threading
from concurrent.futures import Executor

from serving.batch_queues import BatchQueues
from serving.batching_parameters import BatchingParameters
from serving.calls import Call
from serving.errors import ServingError, deadline_exceeded, invalid, status_of
from serving.loops import in_thread
from serving.rows import check_rows, joined, number_of_rows, split
from serving.waiting import Waiter, tell


class Direct:
    """Runs each request by itself.

    Args:
        threads: where `submit` has it run; None for the loop's own.
    """

    def __init__(self, threads: Executor | None = None):
        self._threads = threads

    def run(self, servable, signature: str, inputs: dict, call: Call) -> dict:
        """The outputs of one request, run in this thread; raises as `Servable.run`."""
        return servable.run(signature, inputs, call)

    async def submit(self, servable, signature: str, inputs: dict, call: Call) -> dict:
        """As `run`, for an event loop, in a thread that is not its own."""
        return await in_thread(self._threads, call, servable.run, signature, inputs, call)

    def close(self) -> None:
        """Nothing to end."""


class Batcher:
    """Runs requests in batches on threads of its own.

    Args:
        parameters: sizes, times and numbers of threads.
        alone: runs what makes no batch.
    """

    def __init__(self, parameters: BatchingParameters, alone: Direct):
        self._parameters = parameters
        self._alone = alone
        self._changed = threading.Condition()
        self._waiting = BatchQueues(parameters)
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
        if not (rows := self._rows(inputs)):
            return self._alone.run(servable, signature, inputs, call)
        done = threading.Event()
        tasks = self._add(servable, signature, inputs, rows, call, Waiter(done.set))
        call.on_cancel(done.set)
        if not done.wait(call.remaining()):
            # Said here and not left to `check`, for whose clock it may be a moment too early.
            raise deadline_exceeded()
        call.check()
        return _outputs(tasks)

    async def submit(self, servable, signature: str, inputs: dict, call: Call) -> dict:
        """As `run`, for an event loop, where who waits is cancelled once the call is over.

        (By gRPC, at the deadline too.)
        """
        if not (rows := self._rows(inputs)):
            return await self._alone.submit(servable, signature, inputs, call)
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        # It is done already where whoever waited has been cancelled.
        waiter = Waiter(lambda: done.done() or done.set_result(None), loop)
        tasks = self._add(servable, signature, inputs, rows, call, waiter)
        await done
        return _outputs(tasks)

    @property
    def state(self) -> tuple[int, int]:
        """(batches that are being run, batches that wait)."""
        with self._changed:
            return self._running, len(self._waiting)

    def close(self) -> None:
        """Runs what waits, then ends the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _rows(self, inputs):
        """Rows of a request, checked."""
        rows = number_of_rows(inputs)
        if rows > self._parameters.max_batch_size:
            raise invalid(
                f"Task size {rows} is larger than maximum input batch size "
                f"{self._parameters.max_batch_size}"
            )
        return rows

    def _add(self, servable, signature, inputs, rows, call, waiter):
        with self._changed:
            tasks = self._waiting.add(servable, signature, inputs, rows, call, waiter)
            self._changed.notify(len(tasks))
        return tasks

    def _work(self):
        while (batch := self._next()) is not None:
            try:
                self._execute(batch)
            finally:
                with self._changed:
                    self._running -= 1
            # Nothing here may keep a model that is being let go.
            del batch

    def _next(self):
        """The next batch to run; None at the end."""
        with self._changed:
            while True:
                batch, seconds = self._waiting.take(at_once=self._closed)
                if batch is not None:
                    self._running += 1
                    return batch
                if self._closed:
                    return None
                self._changed.wait(seconds)

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
                    task.outputs = one
                tell(task.waiter for task in tasks)
                return
        for task in tasks:
            try:
                task.outputs = self._together(batch, [task])[0]
            except Exception as error:
                task.failure = status_of(error)
            tell([task.waiter])

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
        return list(split(outputs, sizes))


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


def _outputs(tasks):
    """The outputs of a request that is done; raises what any part of it has met."""
    for task in tasks:
        if task.failure is not None:
            raise ServingError(*task.failure)
    if len(tasks) == 1:
        return tasks[0].outputs
    for task in tasks:
        for alias, array in task.outputs.items():
            check_rows(array, task.rows, alias)
    aliases = tasks[0].outputs
    return {alias: joined([task.outputs[alias] for task in tasks]) for alias in aliases}
