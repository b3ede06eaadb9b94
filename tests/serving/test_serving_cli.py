"""Messages and exit codes of the server's and the client's command lines."""

import os
import subprocess
import sys

import pytest

from serving import cli


class RefusedError(Exception):
    exit_code = 1


def command(arguments):
    parser = cli.Parser("client classify", "Classify.")
    parser.add_argument("--deadline", type=float)
    parser.add_argument("--raises", choices=("usage", "refused", "bug", "interrupt"))
    parsed = parser.parse_args(arguments)
    if parsed.raises == "usage":
        raise cli.UsageError("`x` is 1. Expected 2.")
    if parsed.raises == "refused":
        raise RefusedError("the server\nsays no")
    if parsed.raises == "interrupt":
        raise KeyboardInterrupt
    if parsed.raises == "bug":
        raise ValueError("first line\nsecond line")
    print(parsed.deadline)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--deadlin", "3"], 2, "error: unknown argument '--deadlin'. Did you mean --deadline? "),
        (["--deadline", "x"], 2, "error: argument --deadline: invalid float value: 'x'\n"),
        (["--raises", "usage"], 2, "error: `x` is 1. Expected 2.\n"),
        (["--raises", "refused"], 1, "error: the server\nsays no\n"),
        (["--raises", "bug"], 1, "error: ValueError: first line (run with --debug for"),
        (["--raises", "interrupt"], 130, "interrupted\n"),
    ],
)
def test_one_message_and_its_exit_code(arguments, code, told, capsys):
    assert cli.main(command, arguments) == code
    out, err = capsys.readouterr()
    assert err.startswith(told)
    assert out == ""
    assert "Traceback" not in err


def test_debug_shows_the_traceback(capsys):
    assert cli.main(command, ["--raises", "bug", "--debug"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("error: ValueError: first line\n")


def test_done_is_0_and_help_too(capsys):
    assert cli.main(command, ["--deadline", "2.5"]) == 0
    assert capsys.readouterr().out == "2.5\n"
    assert cli.main(command, ["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: python -m serving.client classify ")


def test_noise_is_held_back_and_all_else_let_through(capfd):
    with cli.loading_tensorflow():
        os.write(2, b"W0000 00:00:1.2 something\nreal trouble\ncuInit failed\n")
    assert capfd.readouterr().err == "real trouble\n"


def test_tensorflow_is_loaded_without_what_keras_alone_would_import():
    program = (
        "import sys; from serving import cli\n"
        "with cli.loading_tensorflow(): import tensorflow\n"
        "assert 'keras' in sys.modules\n"
        "assert not {'matplotlib', 'scipy', 'sklearn'} & set(sys.modules)\n"
        "import sklearn.metrics\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stderr=subprocess.DEVNULL)


def test_a_reader_gone_is_141():
    run = "lambda _: print('x' * 99999)"
    program = f"import sys; from serving import cli; sys.exit(cli.main({run}))"
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    child.stdout.close()
    assert child.stderr.read() == b""
    assert child.wait(10) == 141
    child.stderr.close()
