"""Noise and augmentation of a step: drawn here, or passed in."""

import torch
from torch.nn import functional


class Draws:
    """Fresh draws of PyTorch's generator."""

    def normal(self, shape):
        return torch.randn(shape)

    def uniform(self, shape, low, high):
        return torch.empty(shape).uniform_(low, high)

    def integers(self, shape, low, high):
        return torch.randint(low, high, shape)

    def categories(self, probabilities):
        return torch.multinomial(probabilities, 1)[:, 0]

    def dropout(self, features, rate):
        return functional.dropout(features, rate)


class Replayed:
    """Hands out what was drawn elsewhere, in its order; refuses another shape.

    Args:
        arrays: NumPy arrays, images among them (batch, height, width, channels).
    """

    def __init__(self, arrays):
        self.arrays = list(arrays)

    def next(self, shape):
        drawn = torch.from_numpy(self.arrays.pop(0))
        if drawn.ndim == 4:
            drawn = drawn.permute(0, 3, 1, 2)
        if tuple(drawn.shape) != tuple(shape):
            raise ValueError(f"Expected a draw of shape {tuple(shape)}, got {tuple(drawn.shape)}.")
        return drawn

    def normal(self, shape):
        return self.next(shape)

    def uniform(self, shape, low, high):
        return self.next(shape)

    def integers(self, shape, low, high):
        return self.next(shape).long()

    def categories(self, probabilities):
        return self.next(probabilities.shape[:1]).long()

    def dropout(self, features, rate):
        return features * self.next(features.shape)
