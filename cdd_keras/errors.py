"""Errors whose message is meant for the person at the keyboard."""


class CddError(Exception):
    """Something failed while working; the command line exits with 1."""

    exit_code = 1


class UsageError(CddError):
    """Wrong usage, configuration or input; the command line exits with 2."""

    exit_code = 2
