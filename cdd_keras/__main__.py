"""The console script: `cdd train ...` is `python -m cdd_keras.train ...`."""

from importlib import import_module
from importlib.util import find_spec
from typing import NoReturn

from cdd_keras import __version__, cli
from cdd_keras.errors import UsageError
from cdd_keras.schema import suggest

COMMANDS = {
    "train": "learn an attribute across two image domains",
    "evaluate": "report a run's figures on a split",
    "sample": "draw images from noise",
    "translate": "carry images to the other domain, with a chosen value",
    "classify": "read the attribute off images",
    "export": "write SavedModels for serving",
    "tune": "search for better settings",
    "reproduce": "run the paper's tables",
}


def available() -> dict[str, str]:
    """The commands whose module is there, each with what it does."""
    return {name: text for name, text in COMMANDS.items() if find_spec(f"cdd_keras.{name}")}


def usage() -> str:
    """How to call the program, and its commands."""
    lines = [f"  {name:10} {text}" for name, text in available().items()]
    return "\n".join(
        ["usage: cdd COMMAND [OPTION]...", "", *lines, "", "`cdd COMMAND --help` lists options."]
    )


def run(arguments: list[str]) -> int | None:
    """Run the command that the first argument names with the others."""
    if not arguments:
        raise UsageError(f"no command given.\n{usage()}")
    name, *rest = arguments
    if name in ("-h", "--help"):
        print(usage())
    elif name == "--version":
        print(__version__)
    elif name not in available():
        hint = suggest(name, available())
        raise UsageError(
            f"unknown command {name!r}.{hint} Expected one of {', '.join(available())}."
        )
    else:
        return import_module(f"cdd_keras.{name}").run(rest)
    return 0


def main() -> NoReturn:
    """The console script `cdd`."""
    cli.leave(cli.main(run))


if __name__ == "__main__":
    main()
