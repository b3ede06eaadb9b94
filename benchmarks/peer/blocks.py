"""The blocks of the networks; tensors are (batch, channels, height, width) in channels_last."""

import torch
from torch import nn
from torch.nn import functional

LEAK = 0.2


def activate(features):
    return functional.leaky_relu(features, LEAK)


def to_image(outputs):
    """A tanh 1.1 wide, cut to [-1, 1] with the gradient of what is not."""
    wide = 1.1 * torch.tanh(outputs)
    return wide + (wide.clamp(-1.0, 1.0) - wide).detach()


def convolution(inputs, outputs, size=3, stride=1, bias=True):
    # For even sides this is the padding "same".
    return nn.Conv2d(inputs, outputs, size, stride, padding=(size - 1) // 2, bias=bias)


def channel_norm(features):
    """Each pixel divided by the root mean square of its channels."""
    power = features.float().square().mean(1, keepdim=True)
    return features * torch.rsqrt(power + 1e-6).to(features.dtype)


def modulate(features, scale, shift):
    """Normed features scaled and shifted a channel, activated."""
    scale, shift = (one.to(features.dtype)[:, :, None, None] for one in (scale, shift))
    return activate(channel_norm(features) * scale + shift)


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = convolution(channels, channels)
        self.second = convolution(channels, channels, 1)

    def forward(self, features):
        return features + self.second(activate(self.first(channel_norm(features))))


class Modulated(nn.Module):
    """A convolution scaled and shifted by the attribute's value."""

    def __init__(self, channels, classes):
        super().__init__()
        self.convolution = convolution(channels, channels)
        self.scale = nn.Embedding(classes, channels)
        self.shift = nn.Embedding(classes, channels)

    def forward(self, features, values):
        return modulate(self.convolution(features), self.scale(values), self.shift(values))


def in_float32(layer, features):
    """A last layer, which mixed precision leaves in float32."""
    with torch.autocast("cpu", enabled=False):
        return layer(features.float())


def flat(features):
    """(batch, height * width * channels): a view, for the memory is channels_last."""
    return features.permute(0, 2, 3, 1).flatten(1)
