"""Scores a DataFrame of Spark, by its own ``mapInArrow``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from cappy._errors import CappyError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

__all__ = ["score"]


def score(
    df: DataFrame,
    model: str | None = None,
    *,
    instruction: str = "instruction",
    response: str = "response",
    on_error: Literal["raise", "null"] = "raise",
    **load: Any,
) -> DataFrame:
    """The DataFrame with the columns ``score``, ``tokens`` and ``truncated`` appended.

    Nothing is collected, and nothing computed before Spark asks. Each Python worker of an executor loads the model
    once. Spark runs a task again when its executor dies, and a pair's score is the same wherever it is computed.

    Args:
        df: the DataFrame.
        model: as for :meth:`cappy.Scorer.load`; a folder must be there on every executor.
        instruction: the column of instructions, a string.
        response: the column of responses, a string.
        on_error: ``null`` gives a row that cannot be scored nulls instead of failing the job; count them by
            ``where("score is null")``.
        **load: as for :meth:`cappy.Scorer.load`.

    Raises:
        CappyError: ``input`` naming a column that is missing, is no string, or would be written over.
    """
    from pyspark.sql import types

    fields = {field.name: field.dataType for field in df.schema.fields}
    for column in (instruction, response):
        if not isinstance(fields.get(column), types.StringType):
            what = f"is {fields[column].simpleString()}, and text is needed" if column in fields else "is not there"
            raise CappyError(f"column '{column}': {what}", "input", f"column '{column}'")
    for column in ("score", "tokens", "truncated"):
        if column in fields:
            what = "is there already, and would be written; rename it"
            raise CappyError(f"column '{column}': {what}", "input", f"column '{column}'")
    schema = types.StructType(list(df.schema.fields))
    schema.add("score", types.FloatType()).add("tokens", types.IntegerType()).add("truncated", types.IntegerType())
    arguments = {"model": model, **load}

    def of_partition(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        from pyspark import TaskContext

        from cappy._processes import scorer

        context = TaskContext.get()
        where = f"partition {context.partitionId()}, " if context is not None else ""
        row = 0
        for batch in batches:
            try:
                scored = scorer(arguments).score_arrow(batch, instruction, response, on_error=on_error, first_row=row)
            except CappyError as error:
                raise CappyError(f"{where}{error}", error.code, f"{where}{error.at_fault}") from error
            row += batch.num_rows
            yield from pa.table(scored).to_batches()

    return df.mapInArrow(of_partition, schema)
