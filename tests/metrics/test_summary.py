import json
from types import SimpleNamespace

import numpy as np

from cdd_keras.domains import SOURCE, TARGET
from cdd_keras.metrics.summary import build_report, plain

CONFIG = SimpleNamespace(method="cdd", image_size=32, steps=2000, seed=3)
PAIR = SimpleNamespace(
    attribute=SimpleNamespace(name="eyeglasses"), names={SOURCE: "sketch", TARGET: "photo"}
)


def test_report_holds_what_the_interface_names():
    pick = {"source": {"accuracy": 0.9}, "target": None, "step": 200, "criterion": "agreement"}
    selection = {"final": {"step": 300}, "label_free": pick, "oracle": None}
    report = build_report(CONFIG, PAIR, selection, None, 12.5, np.float32(250))
    assert list(report) == [
        "method", "attribute", "domains", "image_size", "steps", "seed", "seconds",
        "images_per_second", "source", "target", "selection", "generation",
    ]  # fmt: skip
    assert report["source"] == {"accuracy": 0.9}
    assert report["target"] is report["generation"] is None
    assert report["domains"] == {"source": "sketch", "target": "photo"}
    assert (report["attribute"], report["seed"], report["seconds"]) == ("eyeglasses", 3, 12.5)
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_plain_makes_numbers_fit_for_json():
    value = {
        "nan": float("nan"),
        "list": (np.float32(0.5), np.int64(2), np.inf),
        "array": np.array([1.0, np.nan]),
        "kept": ["text", True, None, 3],
    }
    assert plain(value) == {
        "nan": None,
        "list": [0.5, 2, None],
        "array": [1.0, None],
        "kept": ["text", True, None, 3],
    }
