"""Spaces: what a file may say, what it may not, and in which words."""

from pathlib import Path

import pytest

from cdd_keras.config import Config
from cdd_keras.errors import UsageError
from cdd_keras.search import parse_space, read_space
from cdd_keras.search.space import FIELDS
from cdd_keras.search.space_file import DEFAULT

SPACES = sorted((Path(__file__).parents[2] / "configs" / "search").glob("*.yaml"))
RANGE = {"min": 1e-3, "max": 1e-2}


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_shipped_spaces_hold_the_defaults(path):
    space = read_space(path)
    assert space.values_of(Config(attr="eyeglasses")) is not None


def test_the_default_space_holds_the_defaults():
    base = Config(attr="eyeglasses")
    assert DEFAULT.values_of(base) == {name: getattr(base, name) for name in DEFAULT.names}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"generator_rat": RANGE}, r"unknown setting `generator_rat`\. Did you mean generator_rat"),
        ({"steps": {"min": 1, "max": 9}}, r"`steps` cannot be searched.*--steps"),
        ({"attr": {"values": ["a"]}}, r"`attr` cannot be searched"),
        ({"criterion": {"values": ["snd"]}}, r"`criterion` cannot be searched"),
        ({"generator_rate": {"min": 0.1, "max": 3}}, r"`generator_rate\.max` is out of range: 3"),
        ({"generator_rate": {"min": 0, "max": 1}}, r"`generator_rate\.min` is out of range: 0"),
        ({"generator_rate": {"min": 0.2, "max": 0.1}}, r"`generator_rate\.min` is not below"),
        ({"generator_rate": {"min": 0.1, "max": 0.1}}, r"`generator_rate\.min` is not below"),
        ({"generator_rate": {"min": "low", "max": 1}}, r"`generator_rate\.min` has the wrong type"),
        ({"generator_rate": {"min": 0.1}}, r"`generator_rate\.max` is missing"),
        ({"generator_rate": {**RANGE, "scal": "log"}}, r"`generator_rate\.scal`.*mean scale"),
        (
            {"generator_rate": {**RANGE, "scale": "lg"}},
            r"`generator_rate\.scale` is 'lg'.*mean log",
        ),
        ({"generator_rate": {**RANGE, "step": 0}}, r"`generator_rate\.step` is 0"),
        ({"generator_rate": {**RANGE, "step": 1}}, r"`generator_rate\.step` is 1.*at most 0\.009"),
        ({"channels": {"min": 1, "max": 9, "step": 0.5}}, r"`channels\.step` is 0\.5.*whole"),
        ({"channels": {"min": 1.5, "max": 9}}, r"`channels\.min` has the wrong type"),
        ({"kl_weight": {"min": 0, "max": 1, "scale": "log"}}, r"`kl_weight\.min` is 0.*scale log"),
        (
            {"channels": {"min": 1, "max": 9, "scale": "log", "step": 2}},
            r"`channels\.step` does not go with the scale log",
        ),
        ({"channels": {"values": [4, 0]}}, r"`channels\.values\[1\]` is out of range: 0"),
        ({"channels": {"values": [4, 4]}}, r"`channels\.values\[1\]` is given twice"),
        ({"channels": {"values": []}}, r"`channels\.values` is \[\]"),
        ({"channels": {"values": [4], "min": 1}}, r"`channels\.min` does not go with"),
        ({"flip": {"min": 0, "max": 1}}, r"`flip` needs `values`"),
        ({"code_shape": {"values": ["flatt"]}}, r"`code_shape\.values\[0\]`.*Did you mean flat"),
        ({"channels": 16}, r"`channels` is 16\. Expected \{min"),
        ({"channels": []}, r"`channels` is empty"),
        ({}, "names no setting"),
        ("channels", "names no setting"),
    ],
)
def test_a_bad_space_is_refused_with_the_keys_path(content, message):
    with pytest.raises(UsageError, match=message):
        parse_space(content)


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ({"code_shap": "flat"}, r"`code_size\.when\.code_shap` .* have.*Did you mean code_shape"),
        ({"channels": 4}, r"`code_size\.when\.channels` is a condition on what the space does not"),
        ({"code_size": 4}, r"`code_size\.when\.code_size`"),
        ({"code_shape": "round"}, r"`code_size\.when\.code_shape` is 'round', which .* never is"),
        ({"ema": 0.9}, r"`code_size\.when\.ema` is a condition on a range"),
        ({"flip": 1}, r"`code_size\.when\.flip` is 1, which flip never is"),
        ("flat", r"`code_size\.when` is 'flat'"),
        ({"code_shape": []}, r"`code_size\.when\.code_shape` is empty"),
    ],
)
def test_conditions_on_what_is_not_there_are_refused(when, message):
    space = {
        "code_size": {"min": 4, "max": 9, "when": when},
        "code_shape": {"values": ["flat", "spatial"]},
        "ema": {"min": 0.9, "max": 0.99},
        "flip": {"values": [True, False]},
    }
    with pytest.raises(UsageError, match=message):
        parse_space(space)


def test_a_condition_in_a_space_of_one_setting_is_refused():
    with pytest.raises(UsageError, match=r"Expected another setting in it\."):
        parse_space({"ema": {"min": 0.9, "max": 0.99, "when": {"flip": True}}})


def test_conditions_that_wait_for_each_other_are_refused():
    space = {
        "flip": {"values": [True, False], "when": {"balanced": True}},
        "balanced": {"values": [True, False], "when": {"flip": True}},
    }
    with pytest.raises(UsageError, match="flip, balanced wait for each other"):
        parse_space(space)


def test_two_ranges_of_a_setting_need_different_cases():
    sizes = [{"values": [8], "when": {"code_shape": "spatial"}}, {"values": [64]}]
    shapes = {"values": ["spatial", "flat"]}
    with pytest.raises(UsageError, match="`code_size` is given twice for the same case"):
        parse_space({"code_shape": shapes, "code_size": sizes})
    sizes[1]["when"] = {"code_shape": "flat"}
    space = parse_space({"code_size": sizes, "code_shape": shapes})
    assert [one.name for one in space.dimensions] == ["code_shape", "code_size", "code_size"]
    values = {"code_shape": "flat", "code_size[0]": 8, "code_size[1]": 64}
    assert space.settle(values) == {"code_shape": "flat", "code_size": 64}
    base = Config(attr="eyeglasses", code_shape="flat", code_size=64)
    assert space.values_of(base) == {"code_shape": "flat", "code_size[1]": 64}


def test_a_condition_on_a_setting_of_several_cases_is_refused():
    space = {
        "code_shape": {"values": ["spatial", "flat"]},
        "code_size": [
            {"values": [8], "when": {"code_shape": "spatial"}},
            {"values": [64], "when": {"code_shape": "flat"}},
        ],
        "ema": {"values": [0.9, 0.99], "when": {"code_size": 8}},
    }
    with pytest.raises(UsageError, match=r"`ema\.when\.code_size` .* or on several cases"):
        parse_space(space)


def test_a_setting_out_of_its_case_keeps_the_base():
    space = parse_space(
        {
            "classifier_rate": {**RANGE, "when": {"classifier_trunk": "separate"}},
            "classifier_trunk": {"values": ["separate", "shared"]},
        }
    )
    values = {"classifier_trunk": "shared", "classifier_rate": 2e-3}
    assert space.settle(values) == {"classifier_trunk": "shared"}


@pytest.mark.parametrize(
    ("given", "value", "settled"),
    [
        ({"generator_rate": RANGE}, 0.001500000013038516, 0.0015),
        ({"generator_rate": RANGE}, 0.009999999776482582, 0.01),
        ({"generator_rate": RANGE}, 0.010000001, 0.01),
        ({"ema": {"values": [0.95, 0.995]}}, 0.9950000047683716, 0.995),
        ({"channels": {"min": 4, "max": 9}}, 7.0, 7),
        ({"flip": {"values": [True, False]}}, 0, False),
        ({"code_shape": {"values": ["flat"]}}, "flat", "flat"),
    ],
)
def test_values_come_out_as_the_schema_has_them(given, value, settled):
    (name,) = given
    (result,) = parse_space(given).settle({name: value}).values()
    assert result == settled
    assert type(result) is type(settled)


def test_a_base_outside_has_no_values():
    space = parse_space({"generator_rate": RANGE})
    base = Config(attr="eyeglasses")
    assert space.values_of(base) == {"generator_rate": 1.5e-3}
    assert space.values_of(base.replace(generator_rate=0.1)) is None


def test_a_file_is_named_in_its_errors(tmp_path):
    path = tmp_path / "space.yaml"
    with pytest.raises(UsageError, match=r"space\.yaml cannot be read: No such file"):
        read_space(path)
    path.write_text("generator_rate: {min: 1e-3, max: 2}\n")
    with pytest.raises(UsageError, match=r"space\.yaml: `generator_rate\.max` is out of range"):
        read_space(path)
    path.write_text("channels: {values: [4}\n")
    with pytest.raises(UsageError, match=r"space\.yaml is not valid YAML: line 1"):
        read_space(path)


def test_every_field_but_the_tasks_can_be_searched():
    fixed = {name for name, field in FIELDS.items() if field.metadata["section"] == "experiment"}
    for name, field in FIELDS.items():
        section = field.metadata["section"]
        if section in ("networks", "loss weights", "belief", "optimisers", "phases"):
            values = field.metadata["choices"] or [field.default]
            assert parse_space({name: {"values": list(values)}}).names == (name,)
    assert "batch_size" in fixed
    assert parse_space({"batch_size": {"values": [16, 32]}}).names == ("batch_size",)
