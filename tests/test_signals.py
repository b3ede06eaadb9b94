import signal
import threading

import pytest

from cdd_keras.signals import exit_on_sigterm, held_signals

HANDLERS = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}


@pytest.fixture(autouse=True)
def _handlers_are_put_back():
    yield
    assert {number: signal.getsignal(number) for number in HANDLERS} == HANDLERS


@pytest.fixture
def held():
    """Sends signals while they are held, maybe fails; keeps how many had come after each."""
    seen = []

    def hold(*numbers, error=None):
        with exit_on_sigterm(), held_signals() as came:
            for number in numbers:
                signal.raise_signal(number)
                seen.append(list(came))
            if error:
                raise error

    hold.seen = seen
    return hold


def test_ctrl_c_waits_for_the_end(held):
    with pytest.raises(KeyboardInterrupt):
        held(signal.SIGINT)
    assert held.seen == [[signal.SIGINT]]


@pytest.mark.parametrize("number", HANDLERS)
def test_what_is_ignored_stays_so(number, held):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        held(number, number)
    finally:
        signal.signal(number, before)
    assert held.seen == [[], []]


def test_a_second_ctrl_c_does_not(held):
    with pytest.raises(KeyboardInterrupt):
        held(signal.SIGINT, signal.SIGINT)
    assert held.seen == [[signal.SIGINT]]


def test_sigterm_waits_and_then_exits_as_the_shell_says(held):
    with pytest.raises(SystemExit) as caught:
        held(signal.SIGTERM)
    assert held.seen == [[signal.SIGTERM]]
    assert caught.value.code == 143


def test_an_error_is_told_rather_than_the_signal(held):
    with pytest.raises(OSError, match="full"):
        held(signal.SIGINT, error=OSError("full"))


def test_other_threads_hold_nothing():
    seen = []

    def run():
        with exit_on_sigterm(), held_signals() as came:
            seen.append((came, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [([], HANDLERS[signal.SIGINT])]
