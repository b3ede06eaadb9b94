"""What all commands share: flags, one clear message an error, exit codes.

A command's module holds ``run(arguments: list[str]) -> int | None`` and ends with::

    if __name__ == "__main__":
        cli.leave(cli.main(run))

Exit codes: 0 done, 1 failed, 2 wrong usage, configuration or input, 130 interrupted,
141 the reader of the output went away, 143 `train` or `reproduce` was told to end by SIGTERM (the
shell's numbers for those three signals).
"""

import argparse
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, Field, fields
from typing import Any, NoReturn

from cdd_keras import schema
from cdd_keras.config import Config, read_file
from cdd_keras.errors import CddError, UsageError

# Lines of TensorFlow's start that say nothing to a person: its own greeting, a GPU not there.
NOISE = ("I0000 ", "W0000 ", "To enable the following", "WARNING: All log messages", "cuInit")
# Keras imports these where they are installed, for wrappers and galleries that no command uses.
UNUSED_BY_KERAS = ("matplotlib", "scipy", "sklearn")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are UsageErrors, with the nearest option named.

    Options have to be written out: an abbreviation that works today would break when
    another setting is added.
    """

    def __init__(self, command: str, description: str):
        super().__init__(
            prog=f"python -m cdd_keras.{command}", description=description, allow_abbrev=False
        )
        self.add_argument("--debug", action="store_true", help="show the traceback of an error")

    def parse_args(self, args=None, namespace=None) -> argparse.Namespace:
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            option = unknown[0].partition("=")[0]
            hint = schema.suggest(option, self._option_string_actions)
            self.error(f"unknown argument {unknown[0]!r}.{hint} --help lists them all.")
        return parsed

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def main(run: Callable[[list[str]], int | None], arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code; an error is one message on stderr.

    Args:
        run: The command, called with its arguments; what it returns is the exit code.
        arguments: The words after the command's name; those of the process by default.
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


def leave(code: int) -> NoReturn:
    """End the process with an exit code, and at once.

    Python would first take down all of TensorFlow's graphs: three seconds after a training, and
    on a busy machine more than a supervisor grants one that was told to end.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _guarded(run: Callable[[list[str]], int | None], arguments: list[str]) -> int:
    """The exit code of the command, its errors told."""
    debug = "--debug" in arguments
    try:
        return run(arguments) or 0
    except BrokenPipeError:
        raise
    except SystemExit as stop:
        return _stopped(stop)
    except KeyboardInterrupt:
        return _tell("interrupted", 130, debug)
    except CddError as error:
        return _tell(f"error: {error}", error.exit_code, debug)
    except Exception as error:
        # TensorFlow appends pages of graph nodes; the first line is the message.
        first = next(iter(str(error).strip().splitlines()), "")
        message = (
            f"error: {type(error).__name__}: {first}"
            if first
            else (f"error: {type(error).__name__}")
        )
        return _tell(message + ("" if debug else " (run with --debug for the traceback)"), 1, debug)


def _stopped(stop: SystemExit) -> int:
    """The exit code of a sys.exit inside a command, which may carry a message instead."""
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    return _tell(f"error: {stop.code}", 1, debug=False)


def _tell(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(message, file=sys.stderr, flush=True)
    return code


def prepare_environment():
    """Settle what has to stand before TensorFlow is imported; the user's own values win."""
    # 3, since at 2 the graph optimiser reports a harmless failure ("remapper failed") for every
    # graph; what goes wrong for real also raises.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # What gRPC fails in it raises too, and we tell in our own words.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # TensorFlow turns oneDNN on only for CPUs with AVX-512; a training step took 0.80 s
    # without and 0.45 s with it on an AVX2 machine (AMD EPYC, 2 cores).
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # The package is TensorFlow only, whatever ~/.keras/keras.json says.
    os.environ["KERAS_BACKEND"] = "tensorflow"


def load_tensorflow():
    """Import TensorFlow and find its devices without the noise both make on stderr.

    Call it after the arguments are checked and before importing what needs TensorFlow.
    """
    prepare_environment()
    with _quiet_stderr(), _hidden(UNUSED_BY_KERAS):
        import keras  # noqa: F401
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextmanager
def _hidden(packages: Sequence[str]) -> Iterator[None]:
    """Inside, packages that are not imported yet seem not to be installed."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, then let through all but the noise.

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
    return line.startswith(NOISE[:-1]) or NOISE[-1] in line


def add_config_flags(parser: argparse.ArgumentParser):
    """Add `--config` and a flag for every setting of Config to the parser."""
    parser.add_argument("--config", metavar="FILE", help="YAML file of settings; flags win over it")
    groups: dict[str, Any] = {}
    for field in fields(Config):
        section = field.metadata["section"]
        group = groups.get(section) or parser.add_argument_group(section)
        groups[section] = group
        _add_flag(group, field)


def _add_flag(group: Any, field: Field):
    flag = schema.flag(field)
    options = {"dest": field.name, "default": argparse.SUPPRESS}
    if schema.value_type(field) is bool:
        group.add_argument(
            flag, nargs="?", const="true", metavar="true|false", help=_help(field), **options
        )
        no_flag = flag.replace("--", "--no-", 1)
        group.add_argument(
            no_flag, action="store_const", const="false", help=f"same as {flag} false", **options
        )
    else:
        choices = field.metadata["choices"]
        kind = {int: "N", float: "X", str: "TEXT"}[schema.value_type(field)]
        metavar = "|".join(choices) if choices else kind
        group.add_argument(flag, metavar=metavar, help=_help(field), **options)


def _help(field: Field) -> str:
    """The setting's sentence with its range and default, for --help."""
    facts = [schema.expectation(field)] if field.metadata["range"] else []
    if field.default not in (MISSING, None, ""):
        facts.append(f"default {str(field.default).lower()}")
    text = field.metadata["help"] + (f" ({'; '.join(facts)})" if facts else "")
    return text.replace("%", "%%")


def config_from_flags(arguments: argparse.Namespace) -> Config:
    """The configuration of parsed flags: those given win over `--config`, wherever it stands.

    Raises:
        UsageError: A flag's value, or the file, is wrong.
    """
    given = vars(arguments)
    values = read_file(given["config"]) if given.get("config") else {}
    for field in fields(Config):
        if field.name in given:
            values[field.name] = schema.parse(field, given[field.name], schema.flag(field))
    return Config(**values)
