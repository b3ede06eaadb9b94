"""`cdd`'s training step against the same step in PyTorch, in one run.

    python -m venv peer && peer/bin/pip install -r benchmarks/requirements-torch.txt
    python benchmarks/train_peer.py --out peer.json --peer-python peer/bin/python

First both take the same steps from the same weights, with the noise and augmentation of ours
passed to the peer, and their losses must agree. Then they are timed in turns, each in a process of
its own with the same threads. Nothing else should run on the machine.

The peer (benchmarks/peer) is written as PyTorch's good users would: channels_last, bfloat16 by
autocast, fused optimisers, one forward pass for all players; `--compiled` adds torch.compile as
a third contestant.
"""

import sys
import tempfile
from contextlib import ExitStack, contextmanager

from speed import reporting
from speed.reporting import machine, table
from speed.timing import join, summary
from speed.workers import Worker

PRECISIONS = ("float32", "mixed_bfloat16")
# The losses of one forward pass: float32 in another order of summation.
TOLERANCE = 1e-4
# After both have moved their weights once: Adam's first step is the sign of a gradient, so that
# what rounding makes of gradients near 0 is of full size.
TOLERANCE_AFTER = 1e-2
# The losses that the discriminator's update alone decides. The gradient of the classifier's views,
# which are turned and scaled, is exact in PyTorch and approximate in TensorFlow (it moves the
# gradient back), so the generator's updates differ by more.
ALONE = ("real_source", "real_target", "own_value_source", "r1_source", "r1_target")
COLUMNS = {
    "by": ("by", "s"),
    "precision": ("precision", "s"),
    "image_size": ("px", "d"),
    "batch_size": ("batch", "d"),
    "images_per_second": ("images/s", ".1f"),
    "ms": ("ms a step", ".1f"),
    "ms_fastest": ("fastest", ".1f"),
    "ms_processor": ("of processors", ".1f"),
    "steps": ("steps", "d"),
    "ratio": ("ours / it", ".2f"),
    "ratio_fastest": ("by fastest", ".2f"),
    "ratio_processor": ("by processors", ".2f"),
}


def main():
    parser = reporting.parser(__doc__)
    parser.add_argument("--peer-python", required=True, metavar="PYTHON", help="with PyTorch")
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--image-size", nargs="+", type=int, default=[32, 64])
    parser.add_argument("--batch-size", nargs="+", type=int, default=[64, 32])
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (default 3)")
    parser.add_argument("--seconds", type=float, default=5, help="of each turn (default 5)")
    parser.add_argument("--compiled", action="store_true", help="also the peer by torch.compile")
    options = parser.parse_args()
    report = {"machine": machine(), "parity": [], "rows": []}
    for size in options.image_size:
        report["parity"].append(parity(options, size))
        for batch in options.batch_size:
            for precision in options.precision:
                settings = {"image_size": size, "batch_size": batch, "precision": precision}
                report["rows"] += contest(options, settings)
                # What there is counts, should the rest be given up.
                reporting.keep(report, options.out)
    print(report["machine"])
    print(table(report["rows"], COLUMNS))


def parity(options, size):
    """Asserts that both compute the same losses; gives the largest differences."""
    with (
        Worker("speed") as ours,
        Worker("peer", options.peer_python) as peer,
        recording(ours, {"image_size": size, "batch_size": 8}, steps=2) as recorded,
    ):
        build(peer, recorded, "float32", compiled=False)
        replayed = peer.call("replay", steps=2)["losses"]
    first, second = (
        differences(one, two) for one, two in zip(recorded["losses"], replayed, strict=True)
    )
    alone = {name: second[f"discriminator/{name}"] for name in ALONE}
    refuse(first, TOLERANCE, "of the first step")
    refuse(alone, TOLERANCE_AFTER, "after an update")
    found = {
        "image_size": size,
        "losses": len(first),
        "largest": max(first.values()),
        "largest_after_discriminators_update": max(alone.values()),
        "largest_after_all_updates": max(second.values()),
    }
    say(f"parity at {size} px: {found}")
    return found


@contextmanager
def recording(ours, settings, steps):
    """What `record` of speed.recording gives, and the `file` it wrote, which is deleted."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/recording.npz"
        yield {"file": file, **ours.call("record", file=file, settings=settings, steps=steps)}


def differences(expected, found):
    """{loss: relative difference}.

    Raises:
        SystemExit: the losses are not the same ones.
    """
    if set(expected) != set(found):
        raise SystemExit(f"The losses differ: {sorted(set(expected) ^ set(found))}.")
    return {
        name: abs(value - found[name]) / (abs(value) + 1e-2) for name, value in expected.items()
    }


def refuse(differences, tolerance, what):
    far = {name: value for name, value in differences.items() if value > tolerance}
    if far:
        raise SystemExit(f"The losses {what} differ by more than {tolerance}: {far}.")


def build(peer, recorded, precision, compiled):
    known = {name: recorded[name] for name in ("file", "config", "classes")}
    peer.call("build", precision=precision, compiled=compiled, **known)


def contest(options, settings):
    """Rows of ours and of the peer, timed in turns."""
    with ExitStack() as stack:
        ours = stack.enter_context(Worker("speed"))
        recorded = stack.enter_context(recording(ours, settings, steps=0))
        ours.call("build", settings=settings)
        contestants = {"cdd_keras": ours}
        for compiled in (False, True)[: 1 + options.compiled]:
            peer = stack.enter_context(Worker("peer", options.peer_python))
            build(peer, recorded, settings["precision"], compiled)
            contestants["PyTorch, compiled" if compiled else "PyTorch"] = peer
        turns = {name: [] for name in contestants}
        for _ in range(options.rounds):
            for name, worker in contestants.items():
                turns[name].append(worker.call("time", seconds=options.seconds))
        versions = {name: worker.call("versions") for name, worker in contestants.items()}
    images = 2 * settings["batch_size"]
    rows = [
        {"by": name, **settings, **versions[name], **summary(join(found), images)}
        for name, found in turns.items()
    ]
    for row in rows[1:]:
        row["ratio"] = row["ms"] / rows[0]["ms"]
        row["ratio_fastest"] = row["ms_fastest"] / rows[0]["ms_fastest"]
        row["ratio_processor"] = row["ms_processor"] / rows[0]["ms_processor"]
        say(f"{settings}: cdd_keras / {row['by']} = {row['ratio']:.2f}")
    return rows


def say(line):
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
