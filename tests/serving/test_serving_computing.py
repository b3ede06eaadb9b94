"""What the server asks of the system for its threads."""

import errno
import os
import sys

import pytest

from serving.computing import interrupt_nobody

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is asked")


@on_linux
@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL, errno.ENOSYS])
@pytest.mark.parametrize("function", ["sched_getscheduler", "sched_setscheduler"])
def test_a_system_without_the_class_is_left_as_it_is(monkeypatch, caplog, function, number):
    def refuse(*_):
        raise OSError(number, "not here")

    monkeypatch.setattr(os, "sched_getscheduler", lambda _: os.SCHED_OTHER)
    monkeypatch.setattr(os, function, refuse)
    interrupt_nobody()
    assert f"--own-machine has no effect here: [Errno {number}] not here" in caplog.text


@on_linux
def test_another_class_is_kept(monkeypatch, caplog):
    def refuse(*_):
        pytest.fail("the class was set")

    monkeypatch.setattr(os, "sched_getscheduler", lambda _: os.SCHED_IDLE)
    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    interrupt_nobody()
    assert "has a scheduling class already" in caplog.text


def test_other_systems_are_told(monkeypatch, caplog):
    monkeypatch.setattr(sys, "platform", "darwin")
    interrupt_nobody()
    assert "no effect but on Linux" in caplog.text
