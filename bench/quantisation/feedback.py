"""Rounding with error feedback: matrices in order of the forward pass, columns in order.

crates/cpu/src/calibrate/ is the same in Rust; docs/quantisation.md has the formulas and their sources.
"""

from dataclasses import dataclass

import torch

from rounding import Scheme, expand, integers, rounded, scales

GROUPS = (
    ("attention.self.query", "attention.self.key", "attention.self.value"),
    ("attention.output.dense",),
    ("intermediate.dense",),
    ("output.dense",),
)


@dataclass(frozen=True)
class Feedback:
    """What is done with the calibration pairs."""

    columns: bool = True  # the feedback itself; without it, plain rounding
    drift: bool = True  # aims at what the f32 model's inputs give, not the rounded model's
    damp: float = 0.001  # of the mean of H's diagonal
    ordered: bool = False  # columns by falling mean square of their input
    moved: bool = False  # scales from the corrected weights, when their block is reached
    descent: int = 0  # passes of coordinate descent afterwards
    gradient: bool = False  # tokens count by the score's squared gradient
    bias: bool = False  # biases take up the mean of what is left
    fit: float = 0  # out_proj is fitted to the f32 scores; damping as above. 0: it is not


def factor(h):
    """The unit upper triangular U of H = U D U^T."""
    m = torch.linalg.cholesky(h.flip(0, 1)).flip(0, 1)
    return m / m.diagonal()


def damped(h, share, like):
    return h + torch.eye(len(h), dtype=h.dtype) * (share * like.diagonal().mean())


def feedback(scheme, w, h, how):
    """w [rows, columns] rounded so that its error E has a small tr(E H E^T)."""
    rows, columns = w.shape
    block = scheme.block or columns
    diagonal = h.diagonal()
    scale, zero = scales(scheme, w.float(), diagonal.float())
    h = damped(h, how.damp, h)
    order = torch.argsort(diagonal, descending=True) if how.ordered else torch.arange(columns)
    u = factor(h[order][:, order])
    target = w.double()[:, order]
    out, error = torch.zeros_like(target), torch.zeros_like(target)

    def nearest(x, column):
        b = int(column) // block
        s, z = scale[:, b].double(), zero[:, b].double()
        return ((integers(scheme, x[:, None], s, z) - z) * s)[:, 0]

    step = block if how.moved else 64
    for at in range(0, columns, step):
        end = min(at + step, columns)
        inner = u[at:end, at:end]
        base = target[:, at:end] + error[:, :at] @ u[:at, at:end]
        if how.moved:
            # The block's weights if nothing in it were rounded from here on.
            e = torch.zeros_like(base)
            for k in range(end - at):
                e[:, k] = target[:, at + k] - base[:, k] - e[:, :k] @ inner[:k, k]
            own = scales(scheme, (target[:, at:end] - e).float(), diagonal[at:end].float())
            scale[:, at // block], zero[:, at // block] = own[0][:, 0], own[1][:, 0]
        for k in range(at, end):
            x = base[:, k - at] + error[:, at:k] @ inner[: k - at, k - at]
            out[:, k] = nearest(x, order[k])
            error[:, k] = target[:, k] - out[:, k]
    out[:, order], error[:, order] = out.clone(), error.clone()
    for _ in range(how.descent):
        for k in range(columns):
            new = nearest(out[:, k] + error @ h[:, k] / h[k, k], k)
            error[:, k] += out[:, k] - new
            out[:, k] = new
    return out.float(), scale, zero


class Calibration:
    """Rounds a model's weights in order, on the case's calibration pairs."""

    def __init__(self, case, how):
        self.case, self.how = case, how
        self.gradients = case.token_weights() if how.gradient else None

    def round(self, start, scheme_of):
        """The weights `start` (tables rounded already) with every matrix rounded for which
        `scheme_of(name)` is a scheme."""
        model, full = self.case.model, self.case.model.weights
        w = dict(start)
        with torch.inference_mode():
            states = [[model.embed(x, ids) for _, ids in self.case.calibration] for x in (w, full)]
            for layer in range(model.layers):
                prefix = f"encoder.layer.{layer}."
                for group in self.groups(layer):
                    names = [prefix + n + ".weight" for n in group]
                    names = [n for n in names if scheme_of(n)]
                    if names:
                        self.group(w, names, scheme_of, self.inputs(layer, names[0], (w, full), states))
                states = [[model.layer(x, layer, s) for s in state] for x, state in zip((w, full), states)]
            heads = [[x[:, :1] for x in state] for state in states]
            name = "classifier.dense.weight"
            if scheme_of(name):
                self.group(w, [name], scheme_of, zip(*heads))
            if self.how.fit:
                self.fit(w, heads)
        return w

    def groups(self, layer):
        """Names of matrices that share their inputs. The last layer's query reads <s> alone."""
        if self.how.gradient:
            return [(n,) for group in GROUPS for n in group]
        if layer == self.case.model.layers - 1:
            return [GROUPS[0][:1], GROUPS[0][1:], *GROUPS[1:]]
        return GROUPS

    def inputs(self, layer, name, weights, states):
        """What matrix `name` reads in the rounded and in the f32 model, batch by batch."""
        for batch in zip(*states):
            seen = []
            for w, x in zip(weights, batch):
                self.case.model.layer(w, layer, x, lambda n, y: seen.append(y) if n == name else None)
            yield seen

    def group(self, w, names, scheme_of, inputs):
        """Rounds matrices that share their inputs into w."""
        how, full = self.how, self.case.model.weights
        size = full[names[0]].shape[1]
        h, c = torch.zeros(2, size, size, dtype=torch.double)
        means = torch.zeros(2, size, dtype=torch.double)
        tokens = 0
        for i, (x, e) in enumerate(inputs):
            weight = self.gradients[names[0]][i].reshape(-1, 1) if how.gradient else 1
            x, e = x.flatten(0, -2), e.flatten(0, -2)
            h += (x.T @ (x * weight)).double()
            c += (e.T @ (x * weight)).double()
            means += torch.stack([x.double().sum(0), e.double().sum(0)])
            tokens += len(x)
        for name in names:
            t = full[name]
            if how.drift:
                t = torch.linalg.solve(damped(h, how.damp, h), damped(c, how.damp, h).T @ t.double().T).T
            if how.columns:
                w[name] = feedback(scheme_of(name), t, h, how)[0]
            else:
                w[name] = rounded(scheme_of(name), t.float(), h.diagonal().float())
            if how.bias:
                bias = name.removesuffix("weight") + "bias"
                left = (full[name].double() @ means[1] - w[name].double() @ means[0]) / tokens
                w[bias] = (full[bias].double() + left).half().float()

    def fit(self, w, heads):
        """out_proj by least squares, held to what it was, so that calibration scores are kept."""
        model, full = self.case.model, self.case.model.weights
        seen = []
        got = torch.cat([model.head(w, x, lambda n, y: seen.append(y) if "out_proj" in n else None) for x in heads[0]])
        left = (torch.cat([model.head(full, x) for x in heads[1]]) - got).double()
        z = torch.cat(seen)[:, 0].double()
        centred = z - z.mean(0)
        h = centred.T @ centred
        move = torch.linalg.solve(damped(h, self.how.fit, h), centred.T @ (left - left.mean()))
        name = "classifier.out_proj."
        w[name + "weight"] = (full[name + "weight"].double() + move).half().float()
        w[name + "bias"] = (full[name + "bias"].double() + left.mean() - z.mean(0) @ move).float()
