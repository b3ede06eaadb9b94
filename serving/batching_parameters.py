"""How requests are gathered, under TensorFlow Serving's names."""

from dataclasses import dataclass

from serving.cli import UsageError
from serving.config_files import read_batching
from serving.options import Options


@dataclass(frozen=True)
class BatchingParameters:
    """TensorFlow Serving's parameters, under its names and with its defaults.

    Attributes:
        max_batch_size: most rows of a request, and of a batch unless requests are split.
        batch_timeout_micros: microseconds a batch waits for more rows.
        max_enqueued_batches: batches that may wait in one queue.
        num_batch_threads: batches that are run at once.
        allowed_batch_sizes: sizes that batches are padded to, rising; the last is the largest.
        enable_large_batch_splitting: whether a request may be run in several batches.
        max_execution_batch_size: most rows of a batch then; 0 for `max_batch_size`. Not looked at
            otherwise.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = 2
    allowed_batch_sizes: tuple[int, ...] = ()
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int = 0

    def __post_init__(self):
        sizes = self.allowed_batch_sizes
        for name in ("max_batch_size", "max_enqueued_batches", "num_batch_threads"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name}: {getattr(self, name)}; expected 1 or more.")
        if self.batch_timeout_micros < 0:
            raise UsageError(
                f"batch_timeout_micros: {self.batch_timeout_micros}; expected 0 or more."
            )
        if not 0 <= self.max_execution_batch_size <= self.max_batch_size:
            raise UsageError(
                f"max_execution_batch_size: {self.max_execution_batch_size}; expected 1 to "
                f"max_batch_size, {self.max_batch_size}."
            )
        if sizes and (list(sizes) != sorted(set(sizes)) or sizes[0] < 1):
            raise UsageError(f"allowed_batch_sizes: {list(sizes)}; expected rising numbers.")
        if sizes and sizes[-1] != self.batch_rows:
            name = "max_execution_batch_size" if self._splits else "max_batch_size"
            raise UsageError(
                f"allowed_batch_sizes: the last is {sizes[-1]}; expected {name}, {self.batch_rows}."
            )

    @classmethod
    def from_message(cls, message, path: str) -> "BatchingParameters":
        """Of a parsed `BatchingParameters` file; raises UsageError naming `path`."""
        if message.pad_variable_length_inputs:
            raise UsageError(f"{path}: pad_variable_length_inputs is not supported.")
        values = {
            name: getattr(message, name).value
            for name in cls.__dataclass_fields__
            if name != "allowed_batch_sizes" and message.HasField(name)
        }
        try:
            return cls(**values, allowed_batch_sizes=tuple(message.allowed_batch_sizes))
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error

    @property
    def batch_rows(self) -> int:
        """Most rows that are run at once."""
        return self.max_execution_batch_size if self._splits else self.max_batch_size

    @property
    def _splits(self):
        return self.enable_large_batch_splitting and self.max_execution_batch_size > 0

    def parts(self, rows: int, room: int) -> list[int]:
        """Rows of each part of a request, where the last batch that waits has so much room."""
        if not self.enable_large_batch_splitting:
            return [rows]
        first = min(rows, room or self.batch_rows)
        whole, rest = divmod(rows - first, self.batch_rows)
        return [first, *[self.batch_rows] * whole, *[rest] * (rest > 0)]

    def padded(self, rows: int) -> int:
        """The size that a batch of so many rows is padded to."""
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)


def parameters_of(options: Options) -> BatchingParameters | None:
    """The parameters that a server's options name; None without batching; raises UsageError."""
    if not options.enable_batching:
        return None
    path = options.batching_parameters_file
    return (
        BatchingParameters.from_message(read_batching(path), path) if path else BatchingParameters()
    )
