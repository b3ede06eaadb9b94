"""The processes of one training on several machines, as TF_CONFIG tells each of them."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from cdd_keras.errors import UsageError

VARIABLE = "TF_CONFIG"
JOBS = ("chief", "worker")
EXAMPLE = '{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Workers:
    """Where all workers listen, and which of them this process is; the first is the chief.

    Args:
        addresses: HOST:PORT of each.
        index: this one's place among them.
        names: what TensorFlow calls each, such as ("worker", 1).
    """

    addresses: tuple[str, ...]
    index: int
    names: tuple[tuple[str, int], ...]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.addresses)

    @property
    def is_chief(self) -> bool:
        """Whether this is the one that writes."""
        return self.index == 0


def read_workers(environment: Mapping[str, str]) -> Workers:
    """The workers that a process's environment tells of.

    Raises:
        UsageError: TF_CONFIG is missing or wrong; it says what is.
    """
    text = environment.get(VARIABLE)
    if not text:
        raise _error("is not set")
    try:
        given = json.loads(text)
    except ValueError as error:
        raise _error(f"is not JSON: {error}") from None
    cluster, task = (_part(given, name, dict) for name in ("cluster", "task"))
    unknown = sorted(set(cluster) - set(JOBS))
    if unknown:
        raise _error(f"names jobs there are not in `cluster`: {unknown}, beside {list(JOBS)}")
    jobs = {job: _addresses(cluster, job) for job in JOBS if job in cluster}
    if len(jobs.get("chief", [])) > 1:
        raise _error("has more than one chief in `cluster.chief`")
    addresses = tuple(address for listed in jobs.values() for address in listed)
    names = tuple((job, index) for job, listed in jobs.items() for index in range(len(listed)))
    twice = sorted(address for address, times in Counter(addresses).items() if times > 1)
    if twice or not addresses:
        raise _error(f"has an address twice: {twice}" if twice else "has no worker in `cluster`")
    return Workers(addresses, names.index(_own_name(task, jobs)), names)


def check_shares(batch_size: int, count: int, exact: bool = False) -> None:
    """Raises UsageError where a batch cannot be dealt out evenly to so many devices.

    Where sums are to be `exact`, each half of a device's share has to be computed as it is within
    the whole batch: kernels take eight numbers at once, and what is left over another way; and
    that shares are divided by their number must not round.
    """
    if batch_size % (2 * count):
        raise UsageError(
            f"`batch_size` is {batch_size}, for {count} devices. Expected a multiple of "
            f"{2 * count}: each device has as much as the others of either half of a batch."
        )
    if exact and (count & (count - 1) or batch_size % (16 * count)):
        raise UsageError(
            f"`exact_sums` is on, for {count} devices and a `batch_size` of {batch_size}. Expected "
            f"1, 2, 4, 8 .. devices, and a multiple of 16 times their number: {16 * count}."
        )


def refuse_workers(config, command: str) -> None:
    """Raises UsageError where a command that trains by itself is to do so on several machines."""
    if config.strategy == "multiworker":
        raise UsageError(
            f"--strategy multiworker is for `train` alone. Expected none or mirrored for {command}."
        )


def _own_name(task: dict, jobs: dict[str, list[str]]) -> tuple[str, int]:
    job, index = task.get("type"), task.get("index")
    if job not in jobs:
        raise _error(f"has {job!r} for `task.type`, not one of {list(jobs)}")
    if not isinstance(index, int) or not 0 <= index < len(jobs[job]):
        raise _error(f"has {index!r} for `task.index`, not a number from 0 to {len(jobs[job]) - 1}")
    return job, index


def _addresses(cluster: dict, job: str) -> list[str]:
    listed = _part(cluster, job, list)
    for address in listed:
        host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise _error(f"has {address!r} in `cluster.{job}`, not HOST:PORT")
    return listed


def _part(given, name: str, kind: type):
    part = given.get(name) if isinstance(given, dict) else None
    if not isinstance(part, kind):
        words = {dict: "object", list: "list"}[kind]
        raise _error(f"has no {words} `{name}`")
    return part


def _error(problem: str) -> UsageError:
    return UsageError(
        f"--strategy multiworker: the environment variable {VARIABLE} {problem}. "
        f"Expected such as {EXAMPLE}, with the same cluster and another task for each worker."
    )
