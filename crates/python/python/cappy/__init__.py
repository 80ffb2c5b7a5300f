"""Cappy says which of several answers fits a question best.

>>> from cappy import Scorer
>>> with Scorer.load() as scorer:
...     ranked = scorer.rank("Name the animal that barks.", ["cow", "dog", "duck"])
>>> ranked[0]["text"]
'dog'
"""

from cappy._errors import CappyError
from cappy._native import Scorer, Table, __version__

__all__ = ["CappyError", "Scorer", "Table", "__version__"]
