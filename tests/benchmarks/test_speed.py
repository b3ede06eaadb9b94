"""What the speed benchmarks count, read and print."""

import numpy as np
import pytest
import tensorflow as tf
from speed import peak, recording, reporting, sets, timing, trace, workers

from cdd_keras.dry_run import graph_flops


def convolved(images, kernel):
    return tf.nn.conv2d(images, kernel, 2, "SAME")


def graph_of(function, *shapes):
    specs = [tf.TensorSpec(shape) for shape in shapes]
    return tf.function(function).get_concrete_function(*specs).graph


def test_flops_of_a_convolution_are_the_formulas():
    # 2 x outputs (4 x 8 x 8 x 5) x inputs of one (3 x 3 x 2).
    expected = 2 * (4 * 8 * 8 * 5) * (3 * 3 * 2)
    assert graph_flops(graph_of(convolved, (4, 16, 16, 2), (3, 3, 2, 5))) == expected


def test_flops_of_gradients_are_counted():
    def both(images, kernel):
        # The kernel's and the image's gradient cost a convolution each.
        slopes = tf.ones((4, 8, 8, 5))
        shape = tf.shape(images)
        back = tf.raw_ops.Conv2DBackpropInput
        onto = tf.raw_ops.Conv2DBackpropFilter
        how = {"strides": [1, 2, 2, 1], "padding": "SAME", "out_backprop": slopes}
        one = back(input_sizes=(4, 16, 16, 2), filter=kernel, **how)
        return one, onto(input=images, filter_sizes=(3, 3, 2, 5), **how), shape

    expected = 2 * 2 * (4 * 8 * 8 * 5) * (3 * 3 * 2)
    assert graph_flops(graph_of(both, (4, 16, 16, 2), (3, 3, 2, 5))) == expected


def test_flops_of_a_product_of_matrices():
    assert graph_flops(graph_of(tf.matmul, (3, 4), (4, 5))) == 2 * 3 * 4 * 5


def test_peak_is_positive(monkeypatch):
    monkeypatch.setitem(peak.SIDES, "CPU", (16, 32))
    assert peak.matmul_peak("float32", repeats=1) > 0


def test_trace_finds_the_ops_of_a_step():
    images, kernel = tf.ones((8, 32, 32, 3)), tf.ones((3, 3, 3, 8))
    function = tf.function(lambda: tf.reduce_sum(convolved(images, kernel) ** 2))
    function()
    ops = trace.traced_ops(function, steps=2)
    assert ops
    assert all(spent > 0 for spent in ops.values())
    assert any("Conv2D" in kind for _, kind in ops)


def test_dearest_orders_and_shares():
    ops = {("a", "Mul"): 1.0, ("b", "Mul"): 2.0, ("c", "Conv2D"): 2.5, ("d", "Add"): 0.5}
    by_type, by_op = trace.dearest(ops, count=2)
    assert [(row["type"], row["ops"], row["ms"], row["share"]) for row in by_type] == [
        ("Mul", 2, 3.0, 0.5),
        ("Conv2D", 1, 2.5, 2.5 / 6),
    ]
    assert [row["op"] for row in by_op] == ["c", "b"]


def test_timed_warms_up_and_takes_at_least_three_steps():
    called = []
    found = timing.timed(lambda: called.append(0), seconds=0, warm_up=2)
    assert len(called) == 5
    assert len(found["seconds"]) == len(found["processor"]) == 3


def test_summary_is_of_the_median_over_all_turns():
    turns = [{"seconds": [0.4, 0.1], "processor": [0.2, 0.2]}]
    turns.append({"seconds": [0.2], "processor": [0.3]})
    found = timing.summary(timing.join(turns), images=10)
    assert found == {
        "steps": 3,
        "ms": pytest.approx(200),
        "ms_fastest": pytest.approx(100),
        "ms_processor": pytest.approx(200),
        "images_per_second": pytest.approx(50),
    }


def test_table_aligns_and_marks_what_is_missing():
    rows = [{"by": "a", "ms": 1.25}, {"by": "long"}]
    text = reporting.table(rows, {"by": ("by", "s"), "ms": ("ms", ".1f")})
    assert text.splitlines() == ["by     ms", "a     1.2", "long    -"]


def test_stored_images_are_mapped_and_differ_by_seed(tmp_path):
    images = sets.stored_images(tmp_path / "one.npy", 10, 4, seed=1)
    other = sets.stored_images(tmp_path / "two.npy", 10, 4, seed=2)
    assert isinstance(images, np.memmap)
    assert images.shape == (10, 4, 4, 3)
    assert not np.array_equal(images, other)


def test_recorded_draws_are_those_of_the_step():
    draws = recording.RecordedDraws(3, 5, None)
    plain = recording.Draws(3, 5)
    drawn, expected = (
        [of.normal((2, 3)), of.uniform((4,), -1.0, 1.0), of.uniform((2, 4), 0.0, 1.0, axis=1)]
        for of in (draws, plain)
    )
    for one, two, kept in zip(drawn, expected, draws.kept, strict=True):
        assert np.array_equal(one, two)
        assert np.array_equal(one, kept)
    features = tf.random.stateless_normal((4, 6), (0, 0))
    dropped = draws.dropout(features, 0.4)
    assert np.allclose(dropped, plain.dropout(features, 0.4), rtol=1e-6)
    assert np.allclose(dropped, features * draws.kept[3])


def test_a_worker_that_fails_is_told(capfd):
    with (
        workers.Worker("speed.no_such_module") as worker,
        pytest.raises(RuntimeError, match="time"),
    ):
        worker.call("time", seconds=1)
    assert "no_such_module" in capfd.readouterr().err
