"""`cdd`'s four networks; modules stand in the order in which Keras lists their weights."""

from itertools import pairwise

from torch import nn
from torch.nn import functional

from peer.augment import contrast_normalised_grey, jitter_contrast
from peer.blocks import (
    Modulated,
    Residual,
    activate,
    convolution,
    flat,
    in_float32,
    to_image,
)

SOURCE, TARGET = DOMAINS = ("source", "target")
DROPOUT = 0.4


def per_domain(make):
    return nn.ModuleDict({domain: make() for domain in DOMAINS})


def halvings_beyond_32(size):
    return max(0, (size - 1).bit_length() - 5)


class Encoder(nn.Module):
    def __init__(self, channels, code):
        super().__init__()
        self.stems = per_domain(lambda: convolution(12, 2 * channels))
        for stem in self.stems.values():
            stem.unshuffled = True
        self.down = convolution(2 * channels, 4 * channels, 4, 2)
        self.residual = Residual(4 * channels)
        self.mean = convolution(4 * channels, code, 1)
        self.log_var = convolution(4 * channels, code, 1)

    def forward(self, images, domain):
        features = activate(self.stems[domain](functional.pixel_unshuffle(images, 2)))
        features = self.residual(self.down(features))
        mean, log_var = (in_float32(head, features) for head in (self.mean, self.log_var))
        return mean, log_var.clamp(-8.0, 4.0)


class Head(nn.Module):
    """Features -> pre-activations of a base image."""

    def __init__(self, channels):
        super().__init__()
        self.up = convolution(4 * channels, 8 * channels, 1)
        self.residual = Residual(2 * channels)
        self.last = convolution(2 * channels, 12)
        self.up.shuffled = self.last.shuffled = True

    def forward(self, features):
        features = self.residual(functional.pixel_shuffle(self.up(features), 2))
        return functional.pixel_shuffle(in_float32(self.last, features), 2)


class Change(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = convolution(channels, channels)
        self.second = convolution(channels, channels, 1)

    def forward(self, features):
        return self.second(activate(self.first(features)))


class Generator(nn.Module):
    def __init__(self, channels, code, blocks, classes):
        super().__init__()
        residuals = [Residual(4 * channels) for _ in range(blocks)]
        self.features = nn.Sequential(convolution(code, 4 * channels), *residuals)
        self.heads = per_domain(lambda: Head(channels))
        self.modulation = Modulated(4 * channels, classes)
        self.changes = per_domain(lambda: Change(4 * channels))

    def base(self, features, domain):
        return self.heads[domain](features)

    def edit(self, features, values, domain):
        change = self.changes[domain](self.modulation(features, values))
        return to_image(self.base(features.detach() + change, domain))


class RealnessHead(nn.Module):
    def __init__(self, channels, outputs):
        super().__init__()
        self.convolution = convolution(channels, channels)
        self.last = nn.Linear(16 * channels, outputs)

    def forward(self, features):
        return in_float32(self.last, flat(activate(self.convolution(features))))


class Discriminator(nn.Module):
    def __init__(self, channels, size, outputs):
        super().__init__()
        levels = 2 + halvings_beyond_32(size)
        widths = [channels, *(min(2, level + 1) * 2 * channels for level in range(levels))]
        self.stems = per_domain(lambda: convolution(3, channels, 4, 2))
        pairs = pairwise(widths)
        self.trunk = nn.ModuleList([convolution(*pair, 4, 2) for pair in pairs])
        self.heads = per_domain(lambda: RealnessHead(4 * channels, outputs))

    def forward(self, images, domain):
        features = activate(self.stems[domain](images))
        for layer in self.trunk:
            features = activate(layer(features))
        return self.heads[domain](features)


class Classifier(nn.Module):
    def __init__(self, channels, size, classes):
        super().__init__()
        widths = [channels * 2**level for level in range(3)]
        widths += widths[-1:] * halvings_beyond_32(size)
        side = size // 2 ** len(widths)
        widths = [width for width in widths for _ in range(2)]
        pairs = pairwise(widths)
        self.stems = per_domain(lambda: convolution(1, channels, bias=False))
        self.trunk = nn.ModuleList([convolution(*pair, bias=False) for pair in pairs])
        self.norms = per_domain(
            lambda: nn.ModuleList([nn.BatchNorm2d(width, eps=1e-3) for width in widths])
        )
        self.last = nn.Linear(side * side * widths[-1], classes)

    def forward(self, images, domain, draws=None):
        """Logits; with draws as the classifier is taught, without as it reads."""
        features = contrast_normalised_grey(images)
        if draws is not None:
            features = jitter_contrast(features, draws)
        features = self.features(features, domain, draws is not None)
        if draws is not None:
            features = draws.dropout(features, DROPOUT)
        return in_float32(self.last, features)

    def features(self, features, domain, taught):
        layers = [self.stems[domain], *self.trunk]
        for place, (layer, norm) in enumerate(zip(layers, self.norms[domain], strict=True)):
            features = normalise(norm, layer(features), taught)
            if place % 2:
                features = functional.max_pool2d(features, 2)
        return flat(features)


def normalise(norm, features, taught):
    return activate(
        functional.batch_norm(
            features,
            norm.running_mean,
            norm.running_var,
            norm.weight,
            norm.bias,
            training=taught,
            momentum=norm.momentum,
            eps=norm.eps,
        )
    )
