"""The weights of the random models, as an exact integer recipe.

Weight files of these models would weigh hundreds of megabytes, so nobody stores them: the crate
(`src/checkpoint/random.rs`) and this file compute the same numbers, bit for bit, from the tensor's
name, the seed and the element's place. All integers are 32 bits wide and wrap around; every
floating-point step is one operation rounded to f32, with no fused multiply-add.
"""

import math

import numpy as np

PROFILES = ("plain", "outliers")


def fnv1a32(data):
    """The 32-bit FNV-1a hash of some bytes."""
    h = 0x811C9DC5
    for byte in data:
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    return h


def mix(h):
    """Scrambles an array of u32 so that neighbours share nothing."""
    h = h ^ (h >> np.uint32(16))
    h = h * np.uint32(0x7FEB352D)
    h = h ^ (h >> np.uint32(15))
    h = h * np.uint32(0x846CA68B)
    return h ^ (h >> np.uint32(16))


def spread_and_mean(name, shape):
    """The width of a tensor's uniform distribution and its centre."""
    if name.endswith(("LayerNorm.weight", "norm.weight")):
        return np.float32(0.5), np.float32(1)
    if name.endswith("_embeddings.weight"):
        return np.float32(2), np.float32(0)
    if name.endswith(".bias"):
        return np.float32(0.2), np.float32(0)
    # A matrix [out, in]: inputs of variance one give outputs of variance one.
    return np.float32(math.sqrt(12.0 / shape[1])), np.float32(0)


def tensor(name, shape, seed, profile="plain"):
    """The tensor called `name` in the state dict of a classifier."""
    assert profile in PROFILES, profile
    key = np.uint32(fnv1a32(name.encode()) ^ ((seed * 0x9E3779B9) & 0xFFFFFFFF))
    index = np.arange(math.prod(shape), dtype=np.uint32)
    h = mix(mix(index) + key)
    u = (h >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24) - np.float32(0.5)
    spread, mean = spread_and_mean(name, shape)
    value = (u * spread + mean).reshape(shape)
    assert value.dtype == np.float32
    if profile == "outliers":
        # A few channels of the residual stream run hundreds of times higher than the rest, as in
        # trained encoders, and LayerNorm's weights bring them back into line.
        outlier = np.arange(shape[0]) % 61 == 7
        if name.endswith(".output.dense.weight") and "attention" not in name:
            value[outlier] *= np.float32(512)
        elif name.endswith(("LayerNorm.weight", "norm.weight")):
            value[outlier] *= np.float32(0.0625)
    return value
