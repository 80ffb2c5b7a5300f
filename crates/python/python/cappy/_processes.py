"""One scorer for each process, however many tasks it is given."""

import json
import os
from typing import Any

from cappy._native import Scorer

_loaded: dict[tuple[int, str], Scorer] = {}


def share_threads() -> None:
    """Computes with as many threads as Spark or Ray gives a task, unless the environment says how many."""
    # Both tell their workers by this variable. Without it each process would take all cores.
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads is not None:
        os.environ.setdefault("RAYON_NUM_THREADS", threads)


def scorer(arguments: dict[str, Any]) -> Scorer:
    """The scorer of this process that was loaded with these arguments."""
    # A process that was forked off has the dictionary, but not the threads of its scorers.
    key = (os.getpid(), json.dumps(arguments, sort_keys=True, default=str))
    if key not in _loaded:
        share_threads()
        _loaded[key] = Scorer.load(**arguments)
    return _loaded[key]
