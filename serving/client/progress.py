"""What a person sees while images go over the wire: a bar, on a terminal only."""

import sys


class Progress:
    """A bar on stderr while its `with` lasts, where a person looks at it.

    Args:
        total: images to do.
        table: whether lines on stdout show the progress already, if they go to the terminal.
    """

    def __init__(self, total: int, table: bool = False):
        self._bar = None
        if sys.stderr.isatty() and not (table and sys.stdout.isatty()):
            self._bar = _make_bar()
            self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> "Progress":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, count: int) -> None:
        """Images done, or skipped, since the last call."""
        if self._bar:
            self._bar.advance(self._task, count)

    def say(self, message: str) -> None:
        """A line of its own on stderr, above the bar where there is one."""
        if self._bar:
            self._bar.console.print(message, highlight=False, markup=False, soft_wrap=True)
        else:
            print(message, file=sys.stderr, flush=True)


def _make_bar():
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
