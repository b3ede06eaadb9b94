"""The schema: what it accepts, what it refuses and in which words."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cdd_keras.config import CRITERIA, METHODS, Config
from cdd_keras.errors import UsageError

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))


def write(tmp_path, text):
    path = tmp_path / "experiment.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_are_the_synthetic_job():
    config = Config(attr="eyeglasses")
    assert (config.data, config.domains, config.method) == ("synthetic", "sketch-photo", "cdd")
    assert (config.image_size, config.batch_size, config.steps, config.seed) == (32, 32, 800, 0)
    assert config.classifier_input == "normalised"
    assert config.data_dir is None


def test_digits_have_their_own_attribute_and_domains():
    config = Config(data="digits")
    assert (config.attr, config.domains) == ("digit", "mnist-usps")


def test_two_folders_are_named_by_the_user():
    folders = {"attr": "smiling", "data": "folder", "data_dir": "a", "target_dir": "b"}
    with pytest.raises(UsageError, match=r"`domains` is required with `target_dir`: .*--domains "):
        Config(**folders)
    # Sketches of one's own, say.
    assert Config(**folders, domains="sketch-photo").domains == "sketch-photo"


def test_configuration_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config(attr="smiling").steps = 3


@pytest.mark.parametrize("attr", ["", "  "])
def test_attribute_is_required(attr):
    with pytest.raises(UsageError, match=r"`attr` is required.*--attr eyeglasses"):
        Config(attr=attr)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "steps",
            "many",
            "`steps` has the wrong type: 'many'. Expected a whole number in [1, inf).",
        ),
        ("steps", 1.5, "`steps` has the wrong type: 1.5."),
        ("steps", True, "`steps` has the wrong type: True."),
        ("steps", None, "`steps` has the wrong type: None."),
        ("steps", 0, "`steps` is out of range: 0. Expected a whole number in [1, inf)."),
        ("ema", 1.0, "`ema` is out of range: 1.0. Expected a number in [0, 1)."),
        ("ema", "0.9", "`ema` has the wrong type: '0.9'."),
        ("generator_rate", 0, "`generator_rate` is out of range: 0."),
        ("kl_weight", -1e-9, "`kl_weight` is out of range: -1e-09."),
        ("kl_weight", float("inf"), "`kl_weight` is out of range: inf."),
        ("kl_weight", float("nan"), "`kl_weight` is out of range: nan."),
        ("kl_weight", 10**400, "`kl_weight` is out of range:"),
        ("crop", 1.1, "`crop` is out of range: 1.1. Expected a number in (0, 1], or none."),
        ("flip", 1, "`flip` has the wrong type: 1. Expected true or false."),
        ("attr", 5, "`attr` has the wrong type: 5. Expected text."),
        ("image_size", 12, "`image_size` is out of range: 12."),
        ("image_size", 260, "`image_size` is out of range: 260."),
        ("image_size", 30, "Expected a whole number in [16, 256] that is a multiple of 4."),
        ("seed", 2**31, "`seed` is out of range"),
        ("precision", "float16", "`precision` is not available: 'float16'. Expected one of auto"),
        ("strategy", "horovod", "not available: 'horovod'. Expected one of none, mirrored, multiw"),
        ("data", "Celeba", "Did you mean celeba?"),
        ("criterion", "oracle", "`criterion` is not available: 'oracle'."),
        ("train_limit", 0, "`train_limit` is out of range: 0."),
    ],
)
def test_wrong_value_names_the_key_and_what_is_expected(name, value, message):
    with pytest.raises(UsageError) as raised:
        Config(**{"attr": "smiling", name: value})
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_unknown_method_lists_those_there_are():
    with pytest.raises(UsageError, match="`method` is not available: 'cyclegan'") as raised:
        Config(attr="smiling", method="cyclegan")
    assert ", ".join(METHODS) in str(raised.value)


@pytest.mark.parametrize("size", range(16, 257, 4))
def test_multiples_of_four_are_image_sizes(size):
    assert Config(attr="smiling", image_size=size).image_size == size


def test_numbers_take_the_fields_type():
    config = Config(attr="smiling", r1_weight=10, steps=np.int64(7), ema=np.float64(0.5))
    assert [type(value) for value in (config.r1_weight, config.steps, config.ema)] == [
        float,
        int,
        float,
    ]


def test_paths_become_text(tmp_path):
    assert Config(attr="smiling", output=tmp_path).output == str(tmp_path)


@pytest.mark.parametrize(
    ("data", "domains"),
    [
        ("synthetic", "photo-sketch"),
        ("celeba", "without-with:Eyeglasses"),
        ("digits", "usps-mnist"),
        ("digits", "a-b"),
        ("folder", "summer-winter"),
        ("folder", "sketch-photo"),
        ("tfds", "svhn_cropped-mnist"),
    ],
)
def test_domains_that_fit(data, domains):
    assert Config(attr="smiling", data=data, domains=domains).domains == domains


@pytest.mark.parametrize(
    ("data", "domains", "message"),
    [
        ("celeba", "mnist-usps", "does not fit data celeba: 'mnist-usps'. Expected sketch-photo"),
        ("synthetic", "a-b", "does not fit data synthetic"),
        ("digits", "sketch-photo", "does not fit data digits: 'sketch-photo'. Expected two sets"),
        ("digits", "without-with:x", "does not fit data digits"),
        ("digits", "mnist-mnist", "is not a pair: 'mnist-mnist'"),
        ("celeba", "sketch", "is not a pair: 'sketch'"),
        ("celeba", "a-b-c", "is not a pair"),
        ("celeba", "-photo", "is not a pair"),
        ("celeba", "without-with:", "names no attribute"),
        ("celeba", "without-with:Smiling", "splits by the attribute to learn"),
    ],
)
def test_domains_that_do_not_fit(data, domains, message):
    with pytest.raises(UsageError) as raised:
        Config(attr="smiling", data=data, domains=domains)
    assert f"`domains` {message}" in str(raised.value)


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        ("synthetic", "data_dir", "celeba or digits or folder or tfds, such as --data celeba"),
        ("celeba", "target_dir", "folder, such as --data folder"),
        ("tfds", "target_dir", "folder, such as --data folder"),
        ("celeba", "tfds_name", "tfds, such as --data tfds"),
    ],
)
def test_places_of_other_data_are_refused(data, name, expected):
    with pytest.raises(UsageError) as raised:
        Config(attr="smiling", data=data, **{name: "x"})
    assert str(raised.value) == (
        f"`{name}` does not fit data {data}: 'x'. Expected `data` to be {expected}, or no `{name}`."
    )


def test_file_is_read_and_keyword_arguments_win(tmp_path):
    path = write(tmp_path, "attr: smiling\nkl_weight: 2e-4\nsteps: 10\nflip: false\ncrop: null\n")
    config = Config.from_file(path, steps=20)
    assert (config.attr, config.kl_weight, config.steps, config.flip, config.crop) == (
        "smiling",
        2e-4,
        20,
        False,
        None,
    )


def test_empty_file_is_all_defaults(tmp_path):
    assert Config.from_file(write(tmp_path, "# nothing\n"), attr="a") == Config(attr="a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batchsize: 3", "unknown key `batchsize`. Did you mean batch_size?"),
        ("batch-size: 3", "unknown key `batch-size`. Did you mean batch_size?"),
        ("zzz: 3", "unknown key `zzz`. `train --help` lists the settings."),
        ("3: 3", "unknown key `3`."),
        ("<<: {steps: 3}", "unknown key `<<`."),
        ("steps: ten", "`steps` has the wrong type: 'ten'."),
        ("steps: [1]", "`steps` has the wrong type: [1]."),
        ("steps: 1_000", "`steps` has the wrong type: '1_000'."),
        ("flip: yes", "`flip` has the wrong type: 'yes'. Expected true or false."),
        ("attr: 5", "`attr` has the wrong type: 5. Expected text."),
        ("ema: .inf", "`ema` is out of range: inf."),
        ("steps: 1\nsteps: 2", "is not valid YAML: line 2, column 1: the key 'steps' is given"),
        ("attr: a: b", "is not valid YAML: line 1, column 8: mapping values are not allowed"),
        ("attr: !!python/object:os.system {}", "is not valid YAML: line 1"),
        ("[a]: 1", "is not valid YAML: line 1"),
        ("- attr", "holds no settings. Expected lines such as `batch_size: 32`."),
        ("steps: " + "9" * 5000, "is not valid YAML"),
        ("attr: " + "[" * 5000, "is not valid YAML"),
    ],
)
def test_wrong_file_names_file_and_key(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as raised:
        Config.from_file(path, attr="smiling")
    assert str(raised.value).startswith(str(path))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_missing_file_names_its_neighbour(tmp_path):
    write(tmp_path, "attr: a")
    with pytest.raises(UsageError, match=r"not found: .*experimnt.yaml. There is: .*experiment.y"):
        Config.from_file(tmp_path / "experimnt.yaml")


def test_folder_and_binary_file_are_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        Config.from_file(tmp_path)
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read: it is not UTF-8 text"):
        Config.from_file(tmp_path / "x.yaml")


def test_unknown_argument_is_refused():
    with pytest.raises(UsageError, match=r"unknown argument `stepz`. Did you mean steps"):
        Config(attr="a").replace(stepz=1)


def test_replace_checks_anew():
    config = Config(attr="smiling")
    assert config.replace(steps=5) == Config(attr="smiling", steps=5)
    with pytest.raises(UsageError, match="`steps` is out of range"):
        config.replace(steps=0)
    with pytest.raises(UsageError, match="does not fit data digits"):
        config.replace(data="digits")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kl_weight": 1e-5, "crop": 0.85, "train_limit": 2000, "flip": False},
        {"attr": "no", "output": "2024-01-01", "data": "celeba", "data_dir": "null"},
        {"attr": "1e3", "output": "~", "data": "tfds", "data_dir": "0x1F", "tfds_name": "true"},
        {
            **{"attr": "bärtig: #1", "output": "a\nb ", "domains": "no-yes"},
            **{"data": "folder", "data_dir": "'", "target_dir": "x" * 200},
        },
    ],
)
def test_yaml_reloads_as_it_was(tmp_path, changes):
    config = Config(**{"attr": "smiling", **changes})
    text = config.to_yaml()
    assert Config.from_file(write(tmp_path, text)) == config
    assert Config.from_file(write(tmp_path, text)).to_yaml() == text


def test_criteria_are_the_registered_validators():
    from cdd_keras.metrics.validators import DEFAULT, VALIDATORS

    assert sorted(CRITERIA) == sorted(VALIDATORS)
    assert Config(attr="a").criterion == DEFAULT


def test_every_setting_is_described():
    for field in dataclasses.fields(Config):
        assert field.metadata["help"]
        assert field.metadata["section"]
        number = field.type in (int, float, int | None, float | None)
        assert bool(field.metadata["range"]) == number, f"{field.name} needs a range"


def test_there_are_configurations():
    assert len(CONFIGS) >= 7


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configurations_load_and_state_what_they_are(path):
    config = Config.from_file(path)
    assert config.image_size == (64 if "64px" in path.stem else 32)
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    for word in ("# Run:", "# Costs:", "# Gives:"):
        assert any(line.startswith(word) for line in head)


def test_shipped_tables_are_the_papers():
    configs = {path.stem: Config.from_file(path) for path in CONFIGS}
    tasks = {name: (config.attr, config.data, config.domains) for name, config in configs.items()}
    assert tasks["synthetic"] == ("eyeglasses", "synthetic", "sketch-photo")
    assert tasks["celeba_table1"] == ("smiling", "celeba", "without-with:Eyeglasses")
    assert tasks["celeba_table2"] == ("smiling", "celeba", "sketch-photo")
    assert tasks["celeba_table3"] == ("eyeglasses", "celeba", "sketch-photo")
    assert tasks["digits_mnist_usps"] == ("digit", "digits", "mnist-usps")
    assert tasks["digits_usps_mnist"] == ("digit", "digits", "usps-mnist")


def test_configuration_and_command_line_leave_tensorflow_alone():
    program = (
        "import sys, cdd_keras.config, cdd_keras.cli, cdd_keras.__main__;"
        "heavy = {'tensorflow', 'keras', 'numpy'} & set(sys.modules); sys.exit(str(heavy)"
        " if heavy else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
