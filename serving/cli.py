"""What the server's and the client's command lines share: flags, messages, exit codes.

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 interrupted, 141 the reader of the
output went away (the shell's numbers for those two signals).
"""

import argparse
import difflib
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

# Lines of TensorFlow's start that say nothing to a person.
NOISE = ("I0000 ", "W0000 ", "E0000 ", "To enable the following", "WARNING: All log messages")
# Keras imports these where they are installed, for wrappers and galleries that nobody serves.
UNUSED_BY_KERAS = ("matplotlib", "scipy", "sklearn")


class UsageError(Exception):
    """Wrong usage or input; the command line exits with 2.

    Any exception with an `exit_code` is told by its message alone.
    """

    exit_code = 2


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are UsageErrors, with the nearest option named.

    Options have to be written out: an abbreviation that works today would break when
    another is added.

    Args:
        command: the words after `python -m serving.`, such as "client classify".
        description: what it does, for --help.
    """

    def __init__(self, command: str, description: str):
        super().__init__(
            prog=f"python -m serving.{command}", description=description, allow_abbrev=False
        )
        self.add_argument("--debug", action="store_true", help="show the traceback of an error")

    def parse_args(self, args=None, namespace=None) -> argparse.Namespace:
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            option = unknown[0].partition("=")[0]
            hint = suggest(option, self._option_string_actions)
            self.error(f"unknown argument {unknown[0]!r}.{hint} --help lists them all.")
        return parsed

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def suggest(name: str, names: Iterable[str]) -> str:
    """`` Did you mean X?`` for the nearest of the names, or nothing."""
    known = {known.lower(): known for known in names}
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f" Did you mean {known[near[0]]}?" if near else ""


def main(run: Callable[[list[str]], int | None], arguments: Sequence[str] | None = None) -> int:
    """Runs a command and gives its exit code; an error is one message on stderr.

    Args:
        run: the command, called with its arguments; what it returns is the exit code.
        arguments: the words after the command's name; those of the process by default.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    prepare_environment()
    try:
        code = _guarded(run, arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Nobody reads any more (`| head`): let nothing write there again, at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _guarded(run: Callable[[list[str]], int | None], arguments: list[str]) -> int:
    """The exit code of the command, its errors told."""
    debug = "--debug" in arguments
    try:
        return run(arguments) or 0
    except BrokenPipeError:
        raise
    except SystemExit as stop:
        return stop.code or 0
    except KeyboardInterrupt:
        return _tell("interrupted", 130, debug)
    except Exception as error:
        if code := getattr(error, "exit_code", None):
            return _tell(f"error: {error}", code, debug)
        first = next(iter(str(error).strip().splitlines()), "")
        message = f"error: {type(error).__name__}" + (f": {first}" if first else "")
        return _tell(message + ("" if debug else " (run with --debug for the traceback)"), 1, debug)


def _tell(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(message, file=sys.stderr, flush=True)
    return code


def prepare_environment():
    """Settles what has to stand before TensorFlow and gRPC are imported; the user's values win."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


@contextmanager
def loading_tensorflow() -> Iterator[None]:
    """For importing TensorFlow, also by way of `tensorflow_serving.apis`: quietly, and less of it.

    Inside, packages that Keras alone would import seem not to be installed.
    """
    hidden = [name for name in UNUSED_BY_KERAS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        with _quiet_stderr():
            yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Holds back what is written to file descriptor 2, then lets through all but the noise.

    TensorFlow's C++ writes there before its log level is in force.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            lines = held.read().decode(errors="replace").splitlines(keepends=True)
            sys.stderr.writelines(line for line in lines if not _is_noise(line))


def _is_noise(line: str) -> bool:
    return line.startswith(NOISE) or "cuInit" in line
