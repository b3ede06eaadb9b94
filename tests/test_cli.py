"""Flags, messages and exit codes of the command line."""

import os
import subprocess
import sys
import textwrap
import time

import pytest

from cdd_keras import __main__ as console
from cdd_keras import cli
from cdd_keras.config import Config
from cdd_keras.errors import CddError, UsageError


def parse(*arguments) -> Config:
    parser = cli.Parser("train", "Train.")
    cli.add_config_flags(parser)
    return cli.config_from_flags(parser.parse_args(arguments))


def python(program: str, *arguments: str, **options) -> subprocess.CompletedProcess:
    """Run a program in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


TRAIN = """
    import sys
    from cdd_keras import cli

    def run(arguments):
        parser = cli.Parser("train", "Train.")
        cli.add_config_flags(parser)
        print(cli.config_from_flags(parser.parse_args(arguments)).steps)

    sys.exit(cli.main(run))
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("attr: smiling\nsteps: 10\nbatch_size: 8\nbalanced: true\nprior_alignment: 0\n")
    return str(path)


def test_flags_give_settings():
    arguments = ("--kl-weight", "2e-4", "--data", "celeba", "--data-dir", "x", "--seed=3")
    config = parse("--attr", "smiling", *arguments)
    assert config == Config(attr="smiling", kl_weight=2e-4, data="celeba", data_dir="x", seed=3)


def test_flags_win_over_the_file_wherever_it_stands(file):
    expected = Config(attr="smiling", steps=20, batch_size=8, balanced=True, prior_alignment=0.0)
    assert parse("--config", file, "--steps", "20") == expected
    assert parse("--steps", "20", "--config", file) == expected
    assert parse(f"--config={file}", "--steps=20") == expected


def test_flags_equal_to_a_default_win_too(file):
    assert parse("--steps", "2000", "--config", file).steps == 2000
    assert parse("--no-balanced", "--config", file).balanced is False
    assert parse("--crop", "none", "--config", file).crop is None


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (["--flip"], True),
        (["--flip", "true"], True),
        (["--flip", "False"], False),
        (["--flip=false"], False),
        (["--no-flip"], False),
        (["--no-flip", "--flip"], True),
    ],
)
def test_booleans(arguments, value):
    assert parse("--attr", "a", *arguments).flip is value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "`attr` is required"),
        (["--attr"], "argument --attr: expected one argument"),
        (["--attr", "a", "--steps", "x"], "`--steps` has the wrong type: 'x'. Expected a whole"),
        (["--attr", "a", "--steps", "1.5"], "`--steps` has the wrong type: '1.5'."),
        (["--attr", "a", "--steps", "-3"], "`--steps` is out of range: -3."),
        (["--attr", "a", "--steps", "none"], "`--steps` has the wrong type: 'none'."),
        (["--attr", "a", "--kl-weight", "nan"], "`--kl-weight` is out of range: nan."),
        (["--attr", "a", "--flip", "maybe"], "`--flip` has the wrong type: 'maybe'. Expected true"),
        (["--attr", "a", "--image-size", "30"], "`--image-size` is out of range: 30."),
        (["--attr", "a", "--method", "gan"], "`--method` is not available: 'gan'."),
        (["--attr", "a", "--data", "digits", "--domains", "sketch-photo"], "does not fit data dig"),
        (["--attr", "a", "--data-dir", "x"], "`data_dir` does not fit data synthetic: 'x'."),
        (["--batchsize", "3"], "unknown argument '--batchsize'. Did you mean --batch-size?"),
        (["--batch_size=3"], "unknown argument '--batch_size=3'. Did you mean --batch-size?"),
        (["--step", "3"], "unknown argument '--step'. Did you mean --steps?"),
        (["smiling"], "unknown argument 'smiling'."),
        (["--config", "missing.yaml"], "configuration file not found: missing.yaml."),
    ],
)
def test_wrong_flags_are_one_message(arguments, message):
    with pytest.raises(UsageError) as raised:
        parse(*arguments)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_error_in_the_file_names_the_file(file):
    with open(file, "a") as stream:
        stream.write("stepz: 3\n")
    with pytest.raises(UsageError, match=r"x\.yaml: unknown key `stepz`. Did you mean steps?"):
        parse("--config", file)


def test_every_setting_is_in_the_help(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    shown = capsys.readouterr().out
    for name in Config.__dataclass_fields__:
        assert f"--{name.replace('_', '-')} " in shown
    assert "in [16, 256] that is a multiple of 4; default 32" in " ".join(shown.split())


def test_help_and_errors_are_quick_and_without_traceback():
    start = time.perf_counter()
    wrong = python(TRAIN, "--attr", "a", "--steps", "x")
    seconds = time.perf_counter() - start
    assert wrong.returncode == 2
    assert wrong.stdout == ""
    assert wrong.stderr == (
        "error: `--steps` has the wrong type: 'x'. Expected a whole number in [1, inf).\n"
    )
    # 0.15 s on an idle machine; the bound leaves room for a busy one.
    assert seconds < 2
    helped = python(TRAIN, "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert helped.stdout.startswith("usage: python -m cdd_keras.train")


def raising(error):
    def run(arguments):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UsageError("wrong"), 2, "error: wrong\n"),
        (CddError("failed"), 1, "error: failed\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (SystemExit(3), 3, ""),
        (SystemExit(None), 0, ""),
        (SystemExit("gone"), 1, "error: gone\n"),
        (MemoryError(), 1, "error: MemoryError (run with --debug for the traceback)\n"),
        (
            ValueError("first\nsecond"),
            1,
            "error: ValueError: first (run with --debug for the traceback)\n",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_exit_codes(capsys, error, code, message):
    assert cli.main(raising(error), []) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", message)


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1)])
def test_what_a_command_returns_is_its_exit_code(returned, code):
    assert cli.main(lambda arguments: returned, []) == code


def test_debug_shows_the_traceback(capsys):
    assert cli.main(raising(ValueError("bad")), ["--debug"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback")
    assert shown.endswith("error: ValueError: bad\n")


def test_reader_that_goes_away_is_no_error():
    program = """
        import sys
        from cdd_keras import cli

        def run(arguments):
            for _ in range(100000):
                print("line")

        sys.exit(cli.main(run))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_interrupt_is_told():
    program = """
        import os, signal, sys, time
        from cdd_keras import cli

        # A test run in the background of a shell inherits SIGINT as ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)

        def run(arguments):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)

        sys.exit(cli.main(run))
    """
    result = python(program)
    assert (result.returncode, result.stderr) == (130, "interrupted\n")


def test_environment_is_settled_and_the_users_values_win(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    monkeypatch.delenv("GRPC_VERBOSITY", raising=False)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    cli.prepare_environment()
    names = ("TF_CPP_MIN_LOG_LEVEL", "GRPC_VERBOSITY", "KERAS_BACKEND")
    assert [os.environ[name] for name in names] == ["0", "NONE", "tensorflow"]


def test_quiet_stderr_drops_noise_and_keeps_the_rest(capfd):
    with cli._quiet_stderr():
        os.write(2, b"I0000 00:00:17 1 cudart_stub.cc:31] Could not find cuda drivers\n")
        os.write(2, b"E0000 00:00:17 1 cuda_platform.cc:52] failed call to cuInit: INTERNAL\n")
        os.write(2, b"F0000 00:00:17 1 main.cc:1] no room on the device\n")
    assert capfd.readouterr().err == "F0000 00:00:17 1 main.cc:1] no room on the device\n"


def test_tensorflow_loads_without_a_word():
    program = """
        import sys
        from cdd_keras import cli

        cli.load_tensorflow()
        assert "tensorflow" in sys.modules
        assert not {"matplotlib", "scipy", "sklearn"} & set(sys.modules)
        import sklearn.metrics
    """
    result = python(program)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.fixture
def commands(monkeypatch):
    """A package with two commands, of which `train` notes its arguments."""
    seen = []
    module = type(sys)("cdd_keras.train")
    module.run = lambda arguments: seen.append(arguments)
    monkeypatch.setitem(sys.modules, "cdd_keras.train", module)
    monkeypatch.setattr(console, "available", lambda: {"train": "learn", "evaluate": "report"})
    return seen


def test_console_script_runs_the_commands_module(commands):
    assert console.run(["train", "--attr", "x"]) is None
    assert commands == [["--attr", "x"]]


def test_console_script_lists_its_commands(commands, capsys):
    assert console.run(["--help"]) == 0
    assert "  train      learn" in capsys.readouterr().out
    with pytest.raises(UsageError, match="no command given"):
        console.run([])
    with pytest.raises(UsageError) as raised:
        console.run(["trian"])
    assert str(raised.value) == (
        "unknown command 'trian'. Did you mean train? Expected one of train, evaluate."
    )


def test_console_script_tells_its_version(capsys):
    assert console.run(["--version"]) == 0
    assert capsys.readouterr().out == "0.1.0\n"


def test_unknown_command_exits_with_2():
    result = python("from cdd_keras.__main__ import main; main()", "nonsense")
    assert result.returncode == 2
    assert result.stderr.startswith("error: unknown command 'nonsense'.")


def test_a_command_leaves_at_once():
    result = python(
        "import atexit, time; from cdd_keras import cli; atexit.register(time.sleep, 60);"
        "print('said'); cli.leave(3)"
    )
    assert (result.returncode, result.stdout) == (3, "said\n")
