"""Rounds weights to the blocks that cappy stores: what src/checkpoint/quantised.rs does, in torch.

A weight is `integer * scale`. q8: integers -127..127, a scale of 4 significant bits for 32 inputs (one for a whole word of
the table). q4: integers -8..7, a scale of either sign and 8 significant bits for 64 inputs.
"""

import torch

BLOCK, BITS, RANGE = {"q8": 32, "q4": 64}, {"q8": 4, "q4": 8}, {"q8": (-127, 127), "q4": (-8, 7)}
DIVISORS = {"q8": [119.0, 127.0, 136.0], "q4": [s * d / 2 for s in (1, -1) for d in range(14, 22)]}


def significant(x, bits):
    """x rounded to so many significant bits, and no finer than f16's smallest number."""
    place = (torch.frexp(x)[1] - bits).clamp(min=-24).float()
    unit = torch.exp2(place)
    return torch.round(x / unit) * unit


def nearest(blocks, scale, form):
    """The integers that stand for these numbers."""
    inverse = torch.where(scale == 0, 0.0, 1.0 / scale)
    return torch.round((blocks * inverse).clamp(*RANGE[form]))


def split(w, block):
    """[rows, inputs] as [rows, blocks, block]; the inputs must be a multiple of the block."""
    return w.reshape(w.shape[0], -1, block)


def best_scales(w, form, block):
    """Of a few scales that bring a block's largest number near an end, the one with the least squared error."""
    blocks = split(w, block)
    extreme = blocks.abs().amax(-1, keepdim=True)
    best = scales = None
    for d in DIVISORS[form]:
        scale = significant(extreme / d, BITS[form])
        error = (blocks - nearest(blocks, scale, form) * scale).square().sum(-1, keepdim=True)
        if best is None:
            best, scales = error, scale
        else:
            better = error < best
            best, scales = torch.where(better, error, best), torch.where(better, scale, scales)
    return scales


def rounded(w, form, block, scales=None):
    """w as it will be read back."""
    scales = best_scales(w, form, block) if scales is None else scales
    return (nearest(split(w, block), scales, form) * scales).reshape(w.shape)


def plan(model, layers="q4", table="q4", head="q8"):
    """{name of a matrix: (form, block)} of what is rounded. `layers` may be a list, one form a layer; "f16" leaves alone."""
    count = model.config.num_hidden_layers
    forms = [layers] * count if isinstance(layers, str) else layers
    out = {}
    for name, w in model.named_parameters():
        if w.dim() != 2 or not name.endswith(".weight"):
            continue
        if ".layer." in name:
            form = forms[int(name.split(".layer.")[1].split(".")[0])]
        elif "word_embeddings" in name:
            form = table
        elif name.endswith("dense.weight"):
            form = head
        else:
            continue
        if form != "f16":
            out[name] = (form, w.shape[1] if form == "q8" and "word_embeddings" in name else BLOCK[form])
    return out


class StraightThrough:
    """Training sees rounded weights; gradients pass as if they were not. Scales are chosen anew every so many steps."""

    def __init__(self, model, plan, every=50):
        self.plan, self.every, self.step, self.scales = plan, every, 0, {}
        self.of = {id(m): name + ".weight" for name, m in model.named_modules() if name + ".weight" in plan}

    def renew(self, model):
        if self.step % self.every == 0:
            named = dict(model.named_parameters())
            with torch.no_grad():
                self.scales = {n: best_scales(named[n], *p) for n, p in self.plan.items()}
        self.step += 1

    def weight(self, module):
        name = self.of.get(id(module))
        if name is None:
            return module.weight
        with torch.no_grad():
            moved = rounded(module.weight, *self.plan[name], self.scales[name]) - module.weight
        return module.weight + moved


def round_model(model, plan):
    """Rounds the model's matrices where they are."""
    with torch.no_grad():
        for name, w in model.named_parameters():
            if name in plan:
                w.copy_(rounded(w, *plan[name]))


def stored_bytes(model, plan):
    """Bytes of the weights in a file: integers and scales, everything else f16."""
    total = 0
    for name, w in model.named_parameters():
        if name in plan:
            form, block = plan[name]
            total += w.numel() * (8 if form == "q8" else 4) // 8 + 2 * (w.numel() // block)
        else:
            total += 2 * w.numel()
    return total
