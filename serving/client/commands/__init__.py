"""The commands of `python -m serving.client`, a module each: `run(arguments)` -> exit code."""
