"""Weights as small integers times a scale: plain rounding and searches over scales.

A block is `block` neighbouring inputs of one output row (0: the whole row). Every expanded weight
is exactly an f16: the integer (the difference of two, with a zero point) and the scale together
have at most 11 significant bits, and no scale is below 2^-24.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Scheme:
    """How a matrix is stored."""

    bits: int = 8
    block: int = 32
    zero: bool = False  # an integer zero point a block; else integers around 0
    search: str = "absmax"  # or "error": least squared error; "weighted": by the inputs' mean squares
    signed: bool = False  # lets the scale be negative, so that -2^(bits-1) serves whichever end is longer

    @property
    def range(self):
        if self.zero:
            return 0, 2**self.bits - 1
        top = 2 ** (self.bits - 1) - 1
        return (-top - 1 if self.bits < 8 else -top), top

    @property
    def scale_bits(self):
        """Significant bits of a scale."""
        low, high = self.range
        largest = high - low if self.zero else max(-low, high)
        # A power of two as the largest needs no bit more.
        return 11 - (largest - 1).bit_length() if largest & (largest - 1) == 0 else 11 - largest.bit_length()

    def size(self, rows, columns):
        """Bytes of a matrix: integers, f16 scales, and zero points packed like the integers."""
        blocks = rows * -(-columns // (self.block or columns))
        return rows * columns * self.bits / 8 + blocks * (2 + (self.bits / 8 if self.zero else 0))


def round_scale(s, bits, up=False):
    """Rounds to `bits` significant bits, away from zero if `up`, and to what f16 holds."""
    mantissa, exponent = torch.frexp(s)
    step = torch.exp2(torch.clamp(exponent - bits, min=-24).float())
    n = s / step
    n = torch.sign(n) * torch.ceil(n.abs()) if up else torch.round(n)
    return n * step


def split(w, block):
    """[rows, columns] as [rows, blocks, block], filled up with zeros."""
    rows, columns = w.shape
    block = block or columns
    w = torch.nn.functional.pad(w, (0, -columns % block))
    return w.view(rows, -1, block)


def safe(scale):
    return torch.where(scale == 0, torch.ones_like(scale), scale)


def integers(scheme, w, scale, zero):
    low, high = scheme.range
    return torch.clamp(torch.round(w / safe(scale)) + zero, low, high)


def candidates(scheme, w, fine):
    """(scale, zero) pairs to try for blocks [rows, blocks, block]; the first is the plain one."""
    low, high = scheme.range
    bits = scheme.scale_bits
    if scheme.zero:
        least, most = w.amin(-1, keepdim=True).clamp(max=0), w.amax(-1, keepdim=True).clamp(min=0)
        plain = (most - least) / high
        for i, f in enumerate(fine):
            scale = round_scale(plain * f, bits, up=i == 0)
            base = torch.round(-least / safe(scale))
            for shift in (0,) if len(fine) == 1 else (-1, 0, 1):
                yield scale, torch.clamp(base + shift, low, high)
        return
    none = torch.zeros_like(w[..., :1])
    if scheme.signed:
        place = w.abs().argmax(-1, keepdim=True)
        plain = w.gather(-1, place) / low
    else:
        plain = w.abs().amax(-1, keepdim=True) / high
    for i, f in enumerate(fine):
        yield round_scale(plain * f, bits, up=i == 0), none
        if scheme.signed and i:
            yield round_scale(-plain * f, bits), none


def scales(scheme, w, importance=None):
    """Scale and zero point of every block of w [rows, columns], as [rows, blocks, 1]."""
    blocks = split(w, scheme.block)
    if scheme.search == "absmax":
        return next(iter(candidates(scheme, blocks, [1])))
    weight = 1
    if scheme.search == "weighted" and importance is not None:
        weight = split(importance[None], scheme.block)
    low, high = scheme.range
    first, last, count = (0.6, 1.15, 56) if scheme.bits < 8 else (0.85, 1.15, 25)
    fine = [1, *(first + (last - first) * i / (count - 1) for i in range(count))]
    best = None
    for scale, zero in candidates(scheme, blocks, fine):
        error = (((integers(scheme, blocks, scale, zero) - zero) * scale - blocks).square() * weight).sum(-1, keepdim=True)
        if best is None:
            best = [error, scale, zero]
            continue
        better = error < best[0]
        for old, new in zip(best, (error, scale, zero)):
            old.copy_(torch.where(better, new, old))
    return best[1], best[2]


def expand(scheme, w, scale, zero):
    """w rounded with these scales, as floats again."""
    q = integers(scheme, split(w, scheme.block), scale, zero)
    return ((q - zero) * scale).flatten(1)[:, : w.shape[1]]


def rounded(scheme, w, importance=None):
    """w rounded to the nearest by the scheme, as floats again."""
    out = expand(scheme, w, *scales(scheme, w, importance))
    assert torch.equal(out, out.half().float()), "an expanded weight is no f16"
    return out
