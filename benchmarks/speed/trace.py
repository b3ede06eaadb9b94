"""Where the time of a step goes, by TensorFlow's profiler."""

import glob
import re
import tempfile
from collections import Counter

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

# Events of ops are called PLACE:TYPE; those of the runtime have no colon, or a space after it.
OP = re.compile(r"^(?:StatefulPartitionedCall/)?([\w/.+-]+):(\w+)$")


def traced_ops(step, steps=3):
    """Time of each op of a step.

    Args:
        step: called without arguments.
        steps: how many are traced.

    Returns:
        {(place in the graph, type): ms a step}; on a CPU ops run side by side, so the sum is of
        threads and not of the clock.
    """
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        try:
            for _ in range(steps):
                step()
        finally:
            tf.profiler.experimental.stop()
        (path,) = glob.glob(f"{folder}/**/*.xplane.pb", recursive=True)
        space = xplane_pb2.XSpace()
        with open(path, "rb") as file:
            space.ParseFromString(file.read())
    picoseconds = Counter()
    for plane in _compute_planes(space):
        names = {key: metadata.name for key, metadata in plane.event_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                found = OP.match(names[event.metadata_id])
                if found:
                    picoseconds[found.groups()] += event.duration_ps
    return {op: total / 1e9 / steps for op, total in picoseconds.items()}


def _compute_planes(space):
    """The GPUs' planes, which have kernels by op, else the CPU's."""
    gpus = [plane for plane in space.planes if plane.name.startswith("/device:GPU")]
    return gpus or [plane for plane in space.planes if plane.name == "/host:CPU"]


def dearest(ops, count=10):
    """Shares of types of ops, and the dearest single ops: two lists of dicts, dearest first."""
    total = sum(ops.values()) or 1.0
    types, numbers = Counter(), Counter()
    for (_, kind), spent in ops.items():
        types[kind] += spent
        numbers[kind] += 1
    by_type = [
        {"type": kind, "ops": numbers[kind], "ms": spent, "share": spent / total}
        for kind, spent in types.most_common(count)
    ]
    by_op = [
        {"op": place, "type": kind, "ms": spent, "share": spent / total}
        for (place, kind), spent in Counter(ops).most_common(count)
    ]
    return by_type, by_op
