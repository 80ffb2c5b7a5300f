"""Scores a Dataset of Ray, by its own ``map_batches``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from cappy._native import Scorer
from cappy._processes import share_threads

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Score"]


class Score:
    """What each actor of a pool is: it loads the model once, and scores the batches that Ray gives it.

    >>> scored = dataset.map_batches(
    ...     cappy.ray.Score,
    ...     fn_constructor_kwargs={"model": "btan2/cappy-large"},
    ...     batch_format="pyarrow",
    ...     compute=ray.data.ActorPoolStrategy(min_size=1, max_size=8),
    ...     num_cpus=4,
    ... )  # doctest: +SKIP

    Ray starts an actor that dies again, and gives it the batch that was lost. A pair's score is the same wherever it is
    computed.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        instruction: str = "instruction",
        response: str = "response",
        on_error: Literal["raise", "null"] = "raise",
        **load: Any,
    ) -> None:
        """Loads the model.

        Args:
            model: as for :meth:`cappy.Scorer.load`; a folder must be there on every node.
            instruction: the column of instructions.
            response: the column of responses.
            on_error: ``null`` gives a row that cannot be scored nulls instead of failing the job.
            **load: as for :meth:`cappy.Scorer.load`.

        Raises:
            CappyError: as :meth:`cappy.Scorer.load`.
        """
        share_threads()
        self._columns = (instruction, response)
        self._on_error: Literal["raise", "null"] = on_error
        self._scorer = Scorer.load(model, **load)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """The batch with the columns ``score``, ``tokens`` and ``truncated`` appended.

        Raises:
            CappyError: as :meth:`cappy.Scorer.score_arrow`; rows are counted within the batch.
        """
        import pyarrow as pa

        return pa.table(self._scorer.score_arrow(batch, *self._columns, on_error=self._on_error))
