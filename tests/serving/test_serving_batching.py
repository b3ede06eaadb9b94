"""Requests gathered into batches: their sizes, their order, and one bad one among good ones."""

import asyncio
import contextlib
import gc
import threading
import time
import weakref

import grpc
import numpy as np
import pytest
from servers import eventually

from serving.batching import Batcher, Direct
from serving.batching_parameters import BatchingParameters
from serving.calls import Call
from serving.cli import UsageError
from serving.errors import ServingError, invalid


class Doubler:
    """Gives {"y": 2 x}; notes the rows of each run, and waits while it is held."""

    def __init__(self):
        self.sizes = []
        self.entered = threading.Event()
        self.free = threading.Event()
        self.free.set()

    def run(self, signature, inputs, call):
        self.entered.set()
        self.free.wait(20)
        self.sizes.append(len(inputs["x"]))
        if (inputs["x"] < 0).any():
            raise invalid("negative")
        return {"y": inputs["x"] * 2}


def batcher(**parameters):
    return Batcher(BatchingParameters(**{"num_batch_threads": 1, **parameters}), Direct())


class Clients:
    """Threads that each run one request, and what came of it."""

    def __init__(self, runner, servable):
        self.runner, self.servable = runner, servable
        self.threads, self.results = [], {}

    def send(self, name, *values, call=None):
        def work():
            inputs = {"x": np.array(values, np.float32)}
            try:
                outputs = self.runner.run(self.servable, "s", inputs, call or Call())
                self.results[name] = outputs["y"].tolist()
            except ServingError as error:
                self.results[name] = error

        thread = threading.Thread(target=work)
        thread.start()
        self.threads.append(thread)

    def wait(self):
        for thread in self.threads:
            thread.join(20)
        return self.results


@pytest.fixture
def servable():
    return Doubler()


@pytest.fixture
def clients(servable):
    """Of a batcher whose one thread is held by a first request, so that others gather."""
    made = []

    def make(hold=True, **parameters):
        runner = batcher(**parameters)
        clients = Clients(runner, servable)
        made.append((runner, clients))
        if hold:
            servable.free.clear()
            clients.send("first", 0)
            assert servable.entered.wait(20)
        return clients

    yield make
    servable.free.set()
    for runner, clients in made:
        clients.wait()
        runner.close()


def queued(clients):
    queues = clients.runner._waiting._queues.values()
    return sum(batch.rows for queue in queues for batch in queue)


def test_requests_that_wait_share_a_run(clients, servable):
    sent = clients(max_batch_size=8)
    for number in range(5):
        sent.send(number, number, number + 10)
        eventually(lambda n=number: queued(sent) == 2 * (n + 1))
    servable.free.set()
    results = sent.wait()
    # 8 rows, then the 2 that did not fit.
    assert servable.sizes == [1, 8, 2]
    assert all(results[n] == [2 * n, 2 * n + 20] for n in range(5))


def test_shapes_are_kept_apart(servable, clients):
    sent = clients(max_batch_size=8)
    sent.send("flat", 1, 2)
    sent.send("deep", (1, 2), (3, 4))
    eventually(lambda: queued(sent) == 4)
    servable.free.set()
    results = sent.wait()
    assert results["flat"] == [2, 4]
    assert results["deep"] == [[2, 4], [6, 8]]
    assert sorted(servable.sizes) == [1, 2, 2]


def test_a_bad_request_fails_alone(clients, servable):
    sent = clients(max_batch_size=8)
    for name, value in (("a", 1), ("bad", -1), ("b", 2)):
        sent.send(name, value)
        eventually(lambda value=value, name=name: queued(sent) == ["a", "bad", "b"].index(name) + 1)
    servable.free.set()
    results = sent.wait()
    assert results["a"] == [2]
    assert results["b"] == [4]
    assert results["bad"].code == grpc.StatusCode.INVALID_ARGUMENT
    assert servable.sizes == [1, 3, 1, 1, 1]


def test_padding_repeats_a_row_and_is_cut_off(clients, servable):
    sent = clients(max_batch_size=4, allowed_batch_sizes=(2, 4))
    sent.send("three", 1, 2, 3)
    eventually(lambda: queued(sent) == 3)
    servable.free.set()
    assert sent.wait()["three"] == [2, 4, 6]
    assert servable.sizes == [2, 4]


def test_a_batch_waits_for_its_time(servable, clients):
    sent = clients(hold=False, max_batch_size=8, batch_timeout_micros=300_000)
    start = time.monotonic()
    sent.send("a", 1)
    sent.send("b", 2)
    assert sent.wait() == {"a": [2], "b": [4]}
    assert servable.sizes == [2]
    assert time.monotonic() - start >= 0.29


def test_a_full_batch_does_not_wait(servable, clients):
    sent = clients(hold=False, max_batch_size=2, batch_timeout_micros=15_000_000)
    start = time.monotonic()
    sent.send("a", 1)
    sent.send("b", 2)
    sent.wait()
    assert servable.sizes == [2]
    assert time.monotonic() - start < 10


def test_a_full_queue_refuses_exactly_the_surplus(clients, servable):
    sent = clients(max_batch_size=2, max_enqueued_batches=3)
    for number in range(10):
        sent.send(number, number)
        eventually(lambda n=number: queued(sent) + len(sent.results) == n + 1)
    servable.free.set()
    results = sent.wait()
    refused = [n for n in range(10) if isinstance(results[n], ServingError)]
    assert refused == [6, 7, 8, 9]
    assert all(results[n].code == grpc.StatusCode.UNAVAILABLE for n in refused)
    assert "3 batches enqueued and max_enqueued_batches is 3" in results[9].message


def test_a_cancelled_request_is_left_out(clients, servable):
    sent = clients(max_batch_size=8)
    call = Call()
    sent.send("gone", 5, call=call)
    sent.send("stays", 6)
    eventually(lambda: queued(sent) == 2)
    call.cancel()
    # Its client hears at once, though the thread is still held.
    eventually(lambda: "gone" in sent.results)
    assert sent.results["gone"].code == grpc.StatusCode.CANCELLED
    servable.free.set()
    assert sent.wait()["stays"] == [12]
    assert servable.sizes == [1, 1]


def test_a_deadline_ends_the_wait(clients, servable):
    sent = clients(max_batch_size=8)
    sent.send("late", 5, call=Call(timeout=0.05))
    eventually(lambda: "late" in sent.results)
    assert sent.results["late"].code == grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": np.zeros(9, "f4")}, "Task size 9 is larger than maximum input batch size 8"),
        ({"x": np.float32(1)}, "at least one dimension"),
        ({"x": np.zeros(2, "f4"), "z": np.zeros(3, "f4")}, "equal 0th-dimension size"),
    ],
)
def test_requests_that_cannot_be_batched(clients, servable, inputs, message):
    runner = clients(hold=False, max_batch_size=8).runner
    with pytest.raises(ServingError, match=message) as refused:
        runner.run(servable, "s", inputs, Call())
    assert refused.value.code == grpc.StatusCode.INVALID_ARGUMENT


SPLIT = {"max_batch_size": 8, "enable_large_batch_splitting": True, "max_execution_batch_size": 3}


def test_a_large_request_is_split_and_put_together_again(clients, servable):
    sent = clients(**SPLIT)
    sent.send("small", 10, 11)
    eventually(lambda: queued(sent) == 2)
    # One row into the batch that has room, then three and two.
    sent.send("large", 1, 2, 3, 4, 5, 6)
    eventually(lambda: queued(sent) == 8)
    sent.send("last", 20)
    eventually(lambda: queued(sent) == 9)
    servable.free.set()
    results = sent.wait()
    assert results["small"] == [20, 22]
    assert results["large"] == [2, 4, 6, 8, 10, 12]
    assert results["last"] == [40]
    assert servable.sizes == [1, 3, 3, 3]


def test_a_split_request_fails_whole_and_alone(clients, servable):
    sent = clients(**SPLIT)
    sent.send("small", 10)
    eventually(lambda: queued(sent) == 1)
    # Two rows beside the one that waits.
    sent.send("bad", -1, 2, 3, 4, 5)
    eventually(lambda: queued(sent) == 6)
    servable.free.set()
    results = sent.wait()
    assert results["small"] == [20]
    assert results["bad"].code == grpc.StatusCode.INVALID_ARGUMENT
    assert servable.sizes == [1, 3, 1, 2, 3]


def test_a_request_that_the_queue_has_no_room_for_leaves_no_part_there(clients, servable):
    sent = clients(**SPLIT, max_enqueued_batches=2)
    sent.send("waits", 1)
    eventually(lambda: queued(sent) == 1)
    sent.send("large", *range(8))
    eventually(lambda: "large" in sent.results)
    assert sent.results["large"].code == grpc.StatusCode.UNAVAILABLE
    assert (
        "task size is 8 but scheduling capacity is only 5 (num_enqueued_batches=1, "
        "max_enqueued_batches=2, open_batch_size=1, max_execution_batch_size=3)"
    ) in sent.results["large"].message
    assert queued(sent) == 1
    sent.send("fits", *range(5))
    eventually(lambda: queued(sent) == 6)
    servable.free.set()
    assert sent.wait()["fits"] == [0, 2, 4, 6, 8]


def test_a_split_request_that_is_cancelled_is_left_out(clients, servable):
    sent = clients(**SPLIT)
    call = Call()
    sent.send("gone", *range(7), call=call)
    eventually(lambda: queued(sent) == 7)
    call.cancel()
    eventually(lambda: "gone" in sent.results)
    assert sent.results["gone"].code == grpc.StatusCode.CANCELLED
    # Behind it in the queue, and in the batch of its last part.
    sent.send("last", 20)
    eventually(lambda: queued(sent) == 8)
    servable.free.set()
    assert sent.wait()["last"] == [40]
    assert servable.sizes == [1, 1]


def test_a_request_whose_outputs_are_not_by_row_cannot_be_split(clients):
    class Sum(Doubler):
        def run(self, signature, inputs, call):
            return {"y": inputs["x"].sum()}

    runner = clients(hold=False, **SPLIT).runner
    with pytest.raises(ServingError, match="y has shape"):
        runner.run(Sum(), "s", {"x": np.ones(5, np.float32)}, Call())


def test_no_rows_are_run_at_once(clients, servable):
    runner = clients(hold=False).runner
    outputs = runner.run(servable, "s", {"x": np.zeros((0, 2), np.float32)}, Call())
    assert outputs["y"].shape == (0, 2)


def test_closing_runs_what_waits(servable):
    runner = batcher(batch_timeout_micros=60_000_000)
    sent = Clients(runner, servable)
    sent.send("a", 1)
    eventually(lambda: queued(sent) == 1)
    runner.close()
    assert sent.wait() == {"a": [2]}


# In an event loop ------------------------------------------------------------------------


def floats(*values):
    return {"x": np.array(values, np.float32)}


async def held(runner, servable):
    """A task that keeps the runner's one thread."""
    servable.free.clear()
    first = asyncio.create_task(runner.submit(servable, "s", floats(0), Call()))
    await asyncio.to_thread(servable.entered.wait, 20)
    return first


def test_coroutines_and_threads_share_a_run(clients, servable):
    sent = clients(hold=False, max_batch_size=8)

    async def main():
        first = await held(sent.runner, servable)
        sent.send("thread", 1)
        await asyncio.to_thread(eventually, lambda: queued(sent) == 1)
        calls = [sent.runner.submit(servable, "s", floats(n), Call()) for n in (2, -1)]
        tasks = [asyncio.create_task(call) for call in calls]
        await asyncio.to_thread(eventually, lambda: queued(sent) == 3)
        servable.free.set()
        await first
        return await asyncio.gather(*tasks, return_exceptions=True)

    good, bad = asyncio.run(main())
    assert good["y"].tolist() == [4]
    assert bad.code == grpc.StatusCode.INVALID_ARGUMENT
    assert sent.wait()["thread"] == [2]
    assert servable.sizes == [1, 3, 1, 1, 1]


@pytest.mark.parametrize("way", ["run", "submit"])
def test_what_has_failed_is_let_go_at_once(clients, servable, way):
    """And not when garbage is next collected: it may be large."""
    runner = clients(hold=False).runner

    async def fail():
        inputs = floats(-1)
        gone = weakref.ref(inputs["x"])
        with contextlib.suppress(ServingError):
            if way == "run":
                runner.run(servable, "s", inputs, Call())
            else:
                await runner.submit(servable, "s", inputs, Call())
        return gone

    gc.disable()
    try:
        gone = asyncio.run(fail())
        eventually(lambda: gone() is None)
    finally:
        gc.enable()


def test_a_cancelled_coroutine_is_left_out(clients, servable):
    sent = clients(hold=False, **SPLIT)

    async def main():
        first = await held(sent.runner, servable)
        call = Call()
        gone = asyncio.create_task(sent.runner.submit(servable, "s", floats(*range(7)), call))
        stays = asyncio.create_task(sent.runner.submit(servable, "s", floats(6), Call()))
        await asyncio.to_thread(eventually, lambda: queued(sent) == 8)
        gone.cancel()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        servable.free.set()
        await first
        return await stays

    assert asyncio.run(main())["y"].tolist() == [12]
    assert servable.sizes == [1, 1]


def test_a_coroutine_that_is_cancelled_while_its_batch_runs(clients, servable):
    sent = clients(hold=False)

    async def main():
        gone = await held(sent.runner, servable)
        gone.cancel()
        servable.free.set()
        return await sent.runner.submit(servable, "s", floats(3), Call())

    assert asyncio.run(main())["y"].tolist() == [6]


@pytest.mark.parametrize(
    ("values", "outputs"), [(np.zeros((0, 2), "f4"), (0, 2)), (np.arange(5, dtype="f4"), (5,))]
)
def test_rows_of_a_coroutine(clients, servable, values, outputs):
    runner = clients(hold=False, **SPLIT).runner
    got = asyncio.run(runner.submit(servable, "s", {"x": values}, Call()))
    assert got["y"].shape == outputs
    assert (got["y"] == 2 * values).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_batch_size": 0}, "max_batch_size: 0"),
        ({"batch_timeout_micros": -1}, "batch_timeout_micros: -1"),
        ({"max_batch_size": 4, "allowed_batch_sizes": (4, 2)}, "rising"),
        ({"max_batch_size": 4, "allowed_batch_sizes": (2, 8)}, "expected max_batch_size, 4"),
        ({**SPLIT, "max_execution_batch_size": 9}, "max_execution_batch_size: 9; expected 1 to"),
        ({**SPLIT, "allowed_batch_sizes": (2, 8)}, "expected max_execution_batch_size, 3"),
    ],
)
def test_parameters_are_checked(values, message):
    with pytest.raises(UsageError, match=message):
        BatchingParameters(**values)
