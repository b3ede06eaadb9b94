"""What the server asks of the system for its threads."""

import errno
import os
import sys

import pytest

from serving.computing import interrupt_nobody

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is asked")


@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL, errno.ENOSYS])
def test_a_system_without_the_class_is_left_as_it_is(monkeypatch, caplog, number):
    asked = []

    def refuse(*arguments):
        asked.append(arguments)
        raise OSError(number, "not here")

    monkeypatch.setattr(os, "sched_getscheduler", lambda _: os.SCHED_OTHER)
    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    interrupt_nobody()
    assert [policy for _, policy, _ in asked] == [os.SCHED_BATCH]
    assert "--own-machine has no effect here: " in caplog.text


def test_another_class_is_kept(monkeypatch):
    def refuse(*_):
        pytest.fail("the class was set")

    monkeypatch.setattr(os, "sched_getscheduler", lambda _: os.SCHED_IDLE)
    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    interrupt_nobody()
