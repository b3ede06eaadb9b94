"""TF_CONFIG, read and refused before TensorFlow is there."""

import json

import pytest
import tiny

from cdd_keras.errors import UsageError
from cdd_keras.workers import VARIABLE, check_shares, read_workers, refuse_workers

ADDRESSES = ["a:1", "b:2"]


def given(cluster=None, kind="worker", index=1, **others):
    cluster = {"worker": ADDRESSES} if cluster is None else cluster
    return {"cluster": cluster, "task": {"type": kind, "index": index}, **others}


def read(config):
    text = config if isinstance(config, str) else json.dumps(config)
    return read_workers({VARIABLE: text})


def test_the_first_worker_is_the_chief():
    workers = read(given())
    assert (workers.addresses, workers.index, workers.count) == (("a:1", "b:2"), 1, 2)
    assert not workers.is_chief
    assert read(given(index=0)).is_chief


def test_a_chief_of_its_own_comes_before_the_workers():
    cluster = {"worker": ADDRESSES, "chief": ["c:3"]}
    chief, last = read(given(cluster, "chief", 0)), read(given(cluster))
    assert chief.addresses == last.addresses == ("c:3", "a:1", "b:2")
    assert (chief.index, chief.is_chief, last.index, last.is_chief) == (0, True, 2, False)
    assert last.names[last.index] == ("worker", 1)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ("", "is not set"),
        ("{", "is not JSON"),
        ([], "has no object `cluster`"),
        ({"cluster": {}}, "has no object `task`"),
        (given({}), "has no worker in `cluster`"),
        (given({"worker": "a:1"}), "has no list `worker`"),
        (given({"worker": ["a:1", 7]}), "has 7 in `cluster.worker`, not HOST:PORT"),
        (given({"worker": ["a:1", "b"]}), "has 'b' in `cluster.worker`, not HOST:PORT"),
        (given({"worker": ["a:1", "b:0"]}), "has 'b:0' in `cluster.worker`"),
        (given({"worker": ["a:1", "a:1"]}), r"has an address twice: \['a:1'\]"),
        (given({"worker": ADDRESSES, "ps": ["d:4"]}), r"names jobs .* \['ps'\]"),
        (given({"chief": ADDRESSES}), "has more than one chief"),
        (given(kind="chief"), r"has 'chief' for `task.type`, not one of \['worker'\]"),
        (given(index=2), "has 2 for `task.index`, not a number from 0 to 1"),
        (given(index="1"), "has '1' for `task.index`"),
    ],
)
def test_what_is_wrong_is_named(config, problem):
    with pytest.raises(UsageError, match=rf"{VARIABLE} {problem}.*Expected such as"):
        read(config)


def test_a_batch_is_dealt_out_evenly():
    check_shares(12, 3)
    check_shares(64, 4, exact=True)
    with pytest.raises(UsageError, match=r"`batch_size` is 10, for 3 devices. .* multiple of 6"):
        check_shares(10, 3)


@pytest.mark.parametrize(("batch_size", "count"), [(32, 4), (24, 2), (96, 3)])
def test_exact_shares_are_computed_as_the_whole(batch_size, count):
    check_shares(batch_size, count)
    with pytest.raises(UsageError, match=rf"`exact_sums` is on, for {count} devices"):
        check_shares(batch_size, count, exact=True)


def test_commands_that_train_by_themselves_refuse_workers():
    refuse_workers(tiny.config(strategy="mirrored"), "`tune`")
    with pytest.raises(UsageError, match=r"multiworker is for `train` alone.* for `tune`"):
        refuse_workers(tiny.config(strategy="multiworker"), "`tune`")
