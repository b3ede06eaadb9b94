"""When memory is looked through for garbage, and what Python's own collections still look at."""

import gc
import time
import weakref

import pytest
from servers import eventually

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


def seen(thing):
    """Whether Python's own collections look at it."""
    return any(one is thing for one in gc.get_objects())


def test_what_is_loaded_is_looked_at_once_and_freed_when_it_goes(reaper):
    models = [Ring()]
    gone = weakref.ref(models[0])
    assert seen(models[0])
    reaper.wake()
    eventually(lambda: not seen(models[0]))
    models.clear()
    gc.collect()
    assert gone() is not None
    reaper.wake()
    eventually(lambda: gone() is None)


def test_what_is_held_a_moment_longer_is_freed_all_the_same(reaper):
    models = [Ring()]
    gone = weakref.ref(models[0])
    reaper.wake()
    time.sleep(0.1)
    models.clear()
    eventually(lambda: gone() is None)


def test_changes_without_end_do_not_put_it_off(reaper):
    end = time.monotonic() + 20
    while not gc.get_freeze_count():
        assert time.monotonic() < end
        reaper.wake()
        time.sleep(0.01)


def test_nothing_is_kept_out_once_it_is_closed(reaper):
    reaper.wake()
    eventually(gc.get_freeze_count)
    reaper.close()
    assert not gc.get_freeze_count()


def test_what_comes_later_is_collected_as_ever(reaper):
    reaper.wake()
    eventually(gc.get_freeze_count)
    ring = Ring()
    gone = weakref.ref(ring)
    del ring
    gc.collect()
    assert gone() is None
