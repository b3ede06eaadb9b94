"""Weights of Keras in PyTorch's layout."""

import numpy as np
import torch
from torch import nn


def take_weights(network, arrays):
    """Fills a network from the arrays of its Keras twin, listed in the same order.

    Raises:
        ValueError: the arrays are not those of such a network.
    """
    arrays = list(arrays)
    with torch.no_grad():
        for layer in network.modules():
            for tensor, convert in parts(layer):
                array = np.ascontiguousarray(convert(arrays.pop(0)))
                if tensor.shape != array.shape:
                    raise ValueError(f"{layer}: expected {tensor.shape}, got {array.shape}.")
                tensor.copy_(torch.from_numpy(array))
    if arrays:
        raise ValueError(f"{len(arrays)} arrays more than weights.")


def parts(layer):
    """(tensor, how its array is brought into its layout) of a layer's own, in Keras's order."""
    if isinstance(layer, nn.Conv2d):
        out = shuffled if getattr(layer, "shuffled", False) else same
        into = shuffled if getattr(layer, "unshuffled", False) else same
        found = [(layer.weight, lambda kernel: out(into(kernel.transpose(3, 2, 0, 1), 1), 0))]
        return found if layer.bias is None else [*found, (layer.bias, lambda bias: out(bias, 0))]
    if isinstance(layer, nn.Linear):
        return [(layer.weight, np.transpose), (layer.bias, same)]
    if isinstance(layer, nn.Embedding):
        return [(layer.weight, same)]
    if isinstance(layer, nn.BatchNorm2d):
        tensors = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
        return [(tensor, same) for tensor in tensors]
    return []


def same(array, axis=0):
    return array


def shuffled(array, axis):
    """Channels of a 2 x 2 block: TensorFlow counts (place, channel), PyTorch (channel, place)."""
    moved = np.moveaxis(array, axis, 0)
    count = moved.shape[0]
    turned = moved.reshape(4, count // 4, *moved.shape[1:]).swapaxes(0, 1)
    return np.moveaxis(turned.reshape(moved.shape), 0, axis)
