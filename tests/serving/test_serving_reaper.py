"""When memory is looked through for garbage, and what Python's own collections still look at."""

import gc
import time
import weakref

import pytest

from serving.reaper import Reaper


class Ring:
    """Refers to itself, as the functions of a SavedModel do."""

    def __init__(self):
        self.itself = self


@pytest.fixture
def reaper():
    reaper = Reaper()
    yield reaper
    reaper.close()
    gc.unfreeze()


def wait_until(holds):
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


def seen(thing):
    """Whether Python's own collections look at it."""
    return any(one is thing for one in gc.get_objects())


def test_what_is_loaded_is_looked_at_once_and_freed_when_it_goes(reaper):
    models = [Ring()]
    gone = weakref.ref(models[0])
    assert seen(models[0])
    reaper.wake()
    wait_until(lambda: not seen(models[0]))
    models.clear()
    gc.collect()
    assert gone() is not None
    reaper.wake()
    wait_until(lambda: gone() is None)


def test_what_comes_later_is_collected_as_ever(reaper):
    gc.unfreeze()
    reaper.wake()
    wait_until(gc.get_freeze_count)
    ring = Ring()
    gone = weakref.ref(ring)
    del ring
    gc.collect()
    assert gone() is None
