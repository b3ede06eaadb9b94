"""Who a process is in a search: by its flags, or by KerasTuner's environment."""

import os
import socket

import pytest

from cdd_keras.errors import CddError, UsageError
from cdd_keras.search.cluster import ALONE, CHIEF, WORKER, Place, find_place, serve

ENVIRONMENT = {"KERASTUNER_ORACLE_IP": "10.0.0.7", "KERASTUNER_ORACLE_PORT": "8000"}


def test_without_anything_a_process_is_alone():
    assert find_place(None, None, {"KERASTUNER_TUNER_ID": "chief"}).role == ALONE


def test_flags_give_the_part():
    assert find_place("0.0.0.0:80", None, {}) == Place(CHIEF, "0.0.0.0", 80, "chief")
    place = find_place(None, "tune-chief:8000", {"KERASTUNER_TUNER_ID": "pod-3"})
    assert place == Place(WORKER, "tune-chief", 8000, "pod-3")


@pytest.mark.parametrize("name", ["chief", "my-chief"])
def test_the_environment_gives_the_part(name):
    chief = find_place(None, None, {**ENVIRONMENT, "KERASTUNER_TUNER_ID": name})
    assert (chief.role, chief.host, chief.port) == (CHIEF, "10.0.0.7", 8000)
    worker = find_place(None, None, {**ENVIRONMENT, "KERASTUNER_TUNER_ID": "tuner1"})
    assert (worker.role, worker.name) == (WORKER, "tuner1")


def test_a_worker_is_never_called_a_chief(monkeypatch):
    monkeypatch.setattr(os, "uname", lambda: type("Name", (), {"nodename": "chief-engineer"}))
    for environment in ({}, {"KERASTUNER_TUNER_ID": "chief"}):
        place = find_place(None, "host:1", environment)
        assert "chief" not in place.name
        assert place.role == WORKER


@pytest.mark.parametrize(
    ("flags", "environment", "words"),
    [
        (("host", None), {}, "`--chief` is no address: 'host'"),
        ((None, "host:0"), {}, "`--worker` is no address"),
        ((None, "host:many"), {}, "Expected HOST:PORT"),
        (("a:1", "a:1"), {}, "exclude each other"),
        ((None, None), {"KERASTUNER_ORACLE_IP": "a"}, "KERASTUNER_ORACLE_PORT is not"),
        ((None, None), ENVIRONMENT, "KERASTUNER_TUNER_ID is not"),
    ],
)
def test_what_is_no_part_is_refused(flags, environment, words):
    with pytest.raises(UsageError, match=words):
        find_place(*flags, environment)


def test_an_address_that_is_taken_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = Place(CHIEF, "127.0.0.1", taken.getsockname()[1], "chief")
        with pytest.raises(CddError, match=r"cannot listen on 127\.0\.0\.1"):
            serve(oracle=None, place=place, say=lambda line: None, mark=lambda: None)
