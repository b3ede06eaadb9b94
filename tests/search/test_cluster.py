"""Who a process is in a search: by its flags, or by KerasTuner's environment."""

import os
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from cdd_keras.errors import CddError, UsageError
from cdd_keras.search.client import ChiefClient, ChiefError, FinishedError
from cdd_keras.search.cluster import (
    ALONE,
    CHIEF,
    WORKER,
    Place,
    find_place,
    listening,
    serve,
)
from cdd_keras.search.oracles import make_oracle

ENVIRONMENT = {"KERASTUNER_ORACLE_IP": "10.0.0.7", "KERASTUNER_ORACLE_PORT": "8000"}


@pytest.fixture
def address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()


@pytest.fixture
def worker(address, monkeypatch):
    """A worker's place, which KerasTuner finds in the environment."""
    place = Place(WORKER, *address, "worker")
    monkeypatch.setattr(os, "environ", os.environ.copy())
    place.enter()
    return place


@pytest.fixture
def serving(address, make_plan):
    """Starts a chief in a thread; gives its `Future`, with its oracle."""
    place = Place(CHIEF, *address, "chief")
    with ExitStack() as stack:

        def start(**settings):
            chief, plan = Future(), make_plan()
            chief.oracle = make_oracle(plan, 2)
            chief.oracle._set_project_dir(str(plan.folder.path), "oracle")
            vars(chief.oracle).update(lease=60.0, **settings)
            server = stack.enter_context(listening(place))

            def run():
                try:
                    serve(server, chief.oracle, place, lambda line: None, lambda: None)
                except Exception as error:
                    chief.set_exception(error)
                else:
                    chief.set_result(None)

            # Of those that hang no thread is waited for.
            threading.Thread(target=run, daemon=True).start()
            return chief

        yield start


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


def test_workers_of_one_host_and_number_have_names_of_their_own():
    names = {find_place(None, "host:1", {}).name for _ in range(2)}
    assert len(names) == 2


def test_an_address_that_is_taken_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = Place(CHIEF, "127.0.0.1", taken.getsockname()[1], "chief")
        with pytest.raises(CddError, match=r"cannot listen on 127\.0\.0\.1"), listening(place):
            pass


def test_two_chiefs_do_not_share_an_address(address):
    place = Place(CHIEF, *address, "chief")
    with listening(place), pytest.raises(CddError, match="it is taken"), listening(place):
        pass


def test_an_error_in_a_request_ends_the_chief_and_is_told_to_its_worker(serving, worker):
    def full(trial, values, reason):
        raise OSError(28, "No space left on device")

    chief = serving(on_end=full)
    client = ChiefClient(chief.oracle, worker, lambda: False, print, patience=10)
    trial = client.create_trial("worker")
    trial.status = "FAILED"
    with pytest.raises(ChiefError, match=r"has failed: .*No space left on device\. Mend"):
        client.end_trial(trial)
    with pytest.raises(OSError, match="No space left on device"):
        chief.result(timeout=10)
    with pytest.raises(ChiefError):
        client.create_trial("another")


def test_a_worker_waits_for_its_chief(serving, worker, make_plan):
    client = ChiefClient(make_oracle(make_plan(), 2), worker, lambda: False, print, patience=30)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.create_trial, "worker")
        time.sleep(0.5)
        assert not asked.done()
        chief = serving()
        assert asked.result(timeout=20).trial_id == "0"
    assert list(chief.oracle.ongoing_trials) == ["worker"]


def test_a_chief_that_stays_away_is_told(worker, make_plan):
    client = ChiefClient(make_oracle(make_plan(), 2), worker, lambda: False, print, patience=0.5)
    with pytest.raises(ChiefError, match=rf"{worker.address} has not answered for 0.5.*--resume"):
        client.create_trial("worker")


def test_a_worker_does_not_wait_for_a_chief_whose_search_has_ended(worker, make_plan, monkeypatch):
    monkeypatch.setattr("cdd_keras.search.client.LOOK_SECONDS", 0.1)
    plan = make_plan()
    client = ChiefClient(make_oracle(plan, 2), worker, plan.is_finished, print, patience=60)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.create_trial, "worker")
        time.sleep(0.5)
        assert not asked.done()
        plan.mark_finished()
        with pytest.raises(FinishedError):
            asked.result(timeout=20)


def test_a_busy_chief_is_not_asked_again(serving, worker, monkeypatch):
    monkeypatch.setattr("cdd_keras.search.client.LOOK_SECONDS", 0.1)
    chief, said = serving(), []
    draw = chief.oracle.populate_space

    def slow(trial):
        time.sleep(1)
        return draw(trial)

    monkeypatch.setattr(chief.oracle, "populate_space", slow)
    client = ChiefClient(chief.oracle, worker, lambda: False, said.append, patience=30)
    trial = client.create_trial("worker")
    # As many as three would give it up as its own fault.
    assert chief.oracle.attempts == {trial.trial_id: 1}
    assert said == [f"waiting for the chief at {worker.address} (30 s)"]


def test_a_chief_does_not_wait_for_a_worker_that_is_gone(serving, worker):
    chief = serving(max_trials=1)
    client = ChiefClient(chief.oracle, worker, lambda: False, print, patience=10)
    trial = client.create_trial("worker")
    trial.status = "FAILED"
    client.end_trial(trial)
    # It never asks again; its lease is a minute.
    assert chief.result(timeout=20) is None
