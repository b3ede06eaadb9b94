"""Those who wait for a request's parts, and how often their loop is woken."""

import asyncio
import threading

import pytest

from serving.waiting import Waiter, tell


def waiter(woken, name, parts=1, loop=None):
    made = Waiter(lambda: woken.append((name, threading.current_thread())), loop)
    made.expect(parts)
    return made


def test_a_thread_is_told_where_its_last_part_is_done():
    woken = []
    tell([waiter(woken, "a"), waiter(woken, "b")])
    assert woken == [("a", threading.current_thread()), ("b", threading.current_thread())]


def test_it_is_told_once_and_after_the_last_part():
    woken = []
    split = waiter(woken, "split", parts=3)
    tell([split, split])
    assert not woken
    tell([split])
    assert len(woken) == 1


@pytest.fixture
def loop():
    """An event loop in a thread of its own, which notes how often others call into it."""
    loop = asyncio.new_event_loop()
    loop.calls = 0
    call = loop.call_soon_threadsafe

    def counting(*arguments):
        loop.calls += 1
        return call(*arguments)

    loop.call_soon_threadsafe = counting
    thread = threading.Thread(target=loop.run_forever, name="the loop")
    thread.start()
    yield loop
    call(loop.stop)
    thread.join()
    loop.close()


def test_a_closed_loop_keeps_nobody_else_waiting():
    closed = asyncio.new_event_loop()
    closed.close()
    woken = []
    tell([waiter(woken, "gone", loop=closed), waiter(woken, "here")])
    assert [name for name, _ in woken] == ["here"]


def test_a_loop_is_woken_once_for_all_of_its_own(loop):
    woken, told = [], threading.Event()
    waiters = [waiter(woken, name, loop=loop) for name in "abc"]
    last = Waiter(told.set, loop)
    last.expect(1)
    tell([*waiters, last])
    assert told.wait(20)
    assert loop.calls == 1
    assert [(name, thread.name) for name, thread in woken] == [(n, "the loop") for n in "abc"]
