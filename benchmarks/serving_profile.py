"""Where a server's time goes while it is under load: processor time by kind of thread, and who
holds Python's interpreter lock, both by py-spy.
"""

import json
import os
import re
import subprocess
import time
from collections import Counter
from pathlib import Path

RATE = 100
_TICKS = os.sysconf("SC_CLK_TCK")
# Those that Python did not start; the names are TensorFlow's and gRPC's own.
_NATIVE = {
    "python": "TensorFlow, within operations",
    "tf_Compute": "TensorFlow, between operations",
    "event_engine": "gRPC, network",
}
_PYTHON = {
    "grpc": "handlers",
    "requests": "handlers",
    "batch-": "batches",
    "Thread- (_poll_wrapper)": "gRPC, events",
}


def profile(py_spy: Path, server: int, client: int, seconds: float) -> dict:
    """What a server did in so many seconds, from when it became busy.

    Args:
        py_spy: the program.
        server: the number of its process.
        client: that of the load's.
        seconds: that the time is counted, and then the lock watched.

    Returns:
        {"milliseconds by thread": {kind: processor time a second of the clock}, "lock held": share
        of samples, "lock held by place": {module: share of all samples}}
    """
    wait_until_busy(server)
    names = thread_names(py_spy, server)
    start, before, client_before = time.monotonic(), thread_times(server), processor_time(client)
    # Not while py-spy looks, which halts the server for each sample.
    time.sleep(seconds)
    passed, after = time.monotonic() - start, thread_times(server)
    used = Counter({"the client": processor_time(client) - client_before})
    places = lock_holders(py_spy, server, seconds)
    for thread, (name, spent) in after.items():
        kind = kind_of(names.get(thread), name)
        used[kind] += spent - before.get(thread, (name, 0))[1]
    samples = RATE * seconds
    return {
        "milliseconds by thread": {
            kind: round(spent / passed * 1000, 1) for kind, spent in used.most_common() if spent
        },
        "lock held": round(places.total() / samples, 3),
        "lock held by place": {
            place: round(count / samples, 3) for place, count in places.most_common(12)
        },
    }


def wait_until_busy(process):
    """Returns once a process uses a fifth of a core."""
    while True:
        before = processor_time(process)
        time.sleep(0.5)
        if processor_time(process) - before > 0.1:
            return


def processor_time(process):
    """Seconds of a processor that all threads of a process took."""
    return spent_of(Path(f"/proc/{process}/stat").read_text())


def thread_times(process):
    """{thread's number: (name, seconds of a processor)}."""
    found = {}
    for folder in Path(f"/proc/{process}/task").iterdir():
        try:
            line = (folder / "stat").read_text()
        except FileNotFoundError:
            # It has ended.
            continue
        name = line[line.index("(") + 1 : line.rindex(")")]
        found[int(folder.name)] = (name, spent_of(line))
    return found


def spent_of(line):
    """Seconds of a processor, of a line of /proc/*/stat."""
    user, system = line.rpartition(") ")[2].split()[11:13]
    return (int(user) + int(system)) / _TICKS


def thread_names(py_spy, process):
    """{thread's number: Python's name of it, without its own number}."""
    dump = subprocess.run(
        [py_spy, "dump", "--json", "--pid", str(process)], check=True, capture_output=True
    )
    return {
        one["os_thread_id"]: re.sub(r"\d+(_\d+)?", "", one["thread_name"]).rstrip("_")
        for one in json.loads(dump.stdout)
        if one["thread_name"]
    }


def kind_of(python_name, native_name):
    if python_name:
        return _PYTHON.get(python_name, "other Python")
    return _NATIVE.get(native_name, "other native")


def lock_holders(py_spy, process, seconds):
    """Samples in which the interpreter lock was held, by the module that was at work."""
    record = [py_spy, "record", "--gil", "--format", "raw", "--output", "/dev/stdout"]
    record += ["--rate", str(RATE), "--duration", str(int(seconds)), "--pid", str(process)]
    done = subprocess.run(record, check=True, capture_output=True, text=True)
    places = Counter()
    for line in done.stdout.splitlines():
        stack, _, count = line.rpartition(" ")
        if stack and count.isdigit():
            places[place_of(stack.split(";"))] += int(count)
    return places


def place_of(frames):
    """Of frames, outermost first: the innermost module of the server's or gRPC's."""
    for frame in reversed(frames):
        if found := re.search(r"\(((?:serving|grpc)/[\w/]+\.py):", frame):
            return found[1]
    return "other"
