"""Rows of requests and answers: counted, joined, cut."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from serving.errors import invalid


def number_of_rows(inputs: Mapping[str, np.ndarray]) -> int:
    """Rows of a request; raises ServingError (INVALID_ARGUMENT) where its inputs do not agree."""
    sizes = set()
    for array in inputs.values():
        if not array.ndim:
            raise invalid("Batching Run() input tensors must have at least one dimension.")
        sizes.add(len(array))
    if len(sizes) > 1:
        raise invalid("Batching Run() input tensors must have equal 0th-dimension size.")
    return sizes.pop() if sizes else 0


def check_rows(array: np.ndarray, rows: int, alias: str) -> None:
    """Raises ServingError (INVALID_ARGUMENT) for an output that does not have so many rows."""
    if not array.ndim or len(array) != rows:
        raise invalid(
            f"Batched output tensor's 0th dimension does not equal the sum of the 0th dimension "
            f"sizes of the input tensors: {alias} has shape {list(array.shape)}, rows {rows}"
        )


def joined(arrays: Sequence[np.ndarray], padding: int = 0) -> np.ndarray:
    """Arrays one below the other, and the first one's first row so many times more."""
    if padding:
        arrays = [*arrays, np.repeat(arrays[0][:1], padding, axis=0)]
    return np.concatenate(arrays) if len(arrays) > 1 else arrays[0]


def split(
    arrays: Mapping[str, np.ndarray], sizes: Sequence[int]
) -> Iterator[dict[str, np.ndarray]]:
    """Parts of so many rows each; what is left over is in none."""
    end = 0
    for size in sizes:
        end += size
        yield {alias: array[end - size : end] for alias, array in arrays.items()}
