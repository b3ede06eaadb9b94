"""`python -m serving.client COMMAND …`."""

import sys
from importlib import import_module

from serving import cli

COMMANDS = {
    "classify": "read the attribute off images",
    "generate": "draw a grid of samples",
    "translate": "redraw images in a domain, with a label of choice",
    "status": "which versions of the models are served",
    "metadata": "the signatures of a model",
    "load": "send many requests and measure",
}


def usage() -> str:
    """How to call the program, and its commands."""
    lines = [f"  {name:10} {text}" for name, text in COMMANDS.items()]
    head = "usage: python -m serving.client COMMAND [OPTION]..."
    return "\n".join([head, "", *lines, "", "COMMAND --help lists options."])


def run(arguments: list[str]) -> int | None:
    """Runs the command that the first argument names with the others."""
    if not arguments:
        raise cli.UsageError(f"no command given.\n{usage()}")
    name, *rest = arguments
    if name in ("-h", "--help"):
        print(usage())
        return 0
    if name not in COMMANDS:
        hint = cli.suggest(name, COMMANDS)
        raise cli.UsageError(
            f"unknown command {name!r}.{hint} Expected one of {', '.join(COMMANDS)}."
        )
    return import_module(f"serving.client.commands.{name}").run(rest)


if __name__ == "__main__":
    sys.exit(cli.main(run))
