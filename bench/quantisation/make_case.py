"""Writes tests/golden/quantise.json, small matrices rounded by this study, for crates/cpu/src/calibrate/tests.rs.

    python bench/quantisation/make_case.py
"""

import json

import numpy as np
import torch

from feedback import Feedback, damped, feedback
from models import GOLDEN
from rounding import Scheme

ROWS, COLUMNS, TOKENS = 3, 21, 60
DAMP = 0.001


def main():
    rng = np.random.default_rng(7)
    # Every number is a short decimal, so that both sides read the same.
    weights = np.round(rng.standard_t(3, (ROWS, COLUMNS)), 3)
    exact = np.round(np.cumsum(rng.normal(size=(TOKENS, COLUMNS)), axis=1), 2)
    rounded = np.round(exact + rng.normal(size=exact.shape) / 4, 2)
    w = torch.from_numpy(weights).float()
    x, e = torch.from_numpy(rounded).float(), torch.from_numpy(exact).float()
    h, c = x.double().T @ x.double(), e.double().T @ x.double()
    target = torch.linalg.solve(damped(h, DAMP, h), damped(c, DAMP, h).T @ w.double().T).T
    cases = []
    for bits, block in ((4, 8), (8, 8), (4, COLUMNS)):
        scheme = Scheme(bits, block, signed=bits == 4, search="weighted")
        out, scale, _ = feedback(scheme, target, h, Feedback(damp=DAMP))
        per_column = scale.double().expand(-1, -1, block).flatten(1)[:, :COLUMNS]
        cases.append(
            {
                "bits": bits,
                "block": block,
                "integers": (out / per_column).round().int().tolist(),
                "scales": scale[..., 0].tolist(),
            }
        )
    fields = {
        "how": "made by bench/quantisation/make_case.py",
        "columns": COLUMNS,
        "damping": DAMP,
        "weights": weights.tolist(),
        "exact": exact.tolist(),
        "rounded": rounded.tolist(),
        "cases": cases,
    }
    text = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in fields.items())
    path = GOLDEN / "quantise.json"
    path.write_text("{" + text + "}\n")
    print(f"{path.name}: {path.stat().st_size / 1000:.1f} kB")


if __name__ == "__main__":
    main()
