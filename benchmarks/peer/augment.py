"""Random changes of images, (batch, channels, height, width) in [-1, 1]."""

import torch
from torch.nn import functional

FULL_COLOUR = 0.05


def move(images, draws, shift, scale, rotation, flip):
    """Shifts, scales, turns and mirrors each image in one resampling."""
    count = len(images)
    factor = 1.0 + draws.uniform((count,), -scale, scale)
    angle = draws.uniform((count,), -rotation, rotation)
    mirror = _mirror(count, draws, flip)
    offsets = draws.uniform((2, count), -shift, shift)
    return _sample(images, factor * angle.cos(), factor * angle.sin(), mirror, offsets, "bilinear")


def shift(images, draws, most, flip=False):
    """Shifts each image by whole pixels, and mirrors half of them."""
    count = len(images)
    mirror = _mirror(count, draws, flip)
    offsets = draws.uniform((2, count), -most, most).round()
    return _sample(images, torch.ones(count), torch.zeros(count), mirror, offsets, "nearest")


def _sample(images, cosine, sine, mirror, offsets, mode):
    # In units of half a side, as grid_sample counts.
    offset_x, offset_y = offsets * (2.0 / images.shape[-1])
    rows = [cosine * mirror, -sine, offset_x, sine * mirror, cosine, offset_y]
    transforms = torch.stack(rows, 1).view(len(images), 2, 3)
    grid = functional.affine_grid(transforms, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode, "reflection", align_corners=False)


def _mirror(count, draws, flip):
    if flip:
        return torch.where(draws.uniform((count,), 0.0, 1.0) < 0.5, -1.0, 1.0)
    return torch.ones(count)


def jitter_colour(images, draws):
    """Changes brightness, tint and contrast of each image."""
    count = len(images)
    brightness = draws.uniform((count, 1), -0.2, 0.2)
    tint = draws.uniform((count, images.shape[1]), -0.15, 0.15)
    contrast = draws.uniform((count, 1), 0.8, 1.2)
    return recolour(images, *(drawn[..., None, None] for drawn in (brightness, tint, contrast)))


def recolour(images, brightness, tint, contrast):
    images = images + brightness
    grey = images.mean(1, keepdim=True)
    colour = (images - grey).abs().mean((1, 2, 3), keepdim=True)
    images = images + (colour / FULL_COLOUR).clamp(max=1.0) * tint
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * contrast + mean


def jitter_contrast(images, draws):
    """Scales each image by 0.8 to 1.2 and adds noise of a strength of its own."""
    count = len(images)
    noise = draws.normal(images.shape) * draws.uniform((count, 1, 1, 1), 0.0, 0.2)
    return images * draws.uniform((count, 1, 1, 1), 0.8, 1.2) + noise


def contrast_normalised_grey(images):
    grey = images.mean(1, keepdim=True)
    variance, mean = torch.var_mean(grey, (2, 3), correction=0, keepdim=True)
    return (grey - mean) * torch.rsqrt(variance + 1e-2)
