"""Tables of pyarrow, polars, duckdb and pandas go in and out by Arrow's PyCapsule interface."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from cappy import CappyError, Scorer, Table
from conftest import bits, golden_pairs

PAIRS = golden_pairs()[:40]
COLUMNS = {
    "id": list(range(len(PAIRS))),
    "instruction": [instruction for instruction, _ in PAIRS],
    "response": [response for _, response in PAIRS],
}
TABLE = pa.table(COLUMNS)


def scores_of(table: Table) -> Any:
    column = pa.table(table)["score"].combine_chunks()
    assert column.type == pa.float32()
    return column.to_numpy(zero_copy_only=False)


MADE: dict[str, Callable[[], Any]] = {
    "pyarrow": lambda: TABLE,
    "pyarrow in chunks": lambda: pa.concat_tables([TABLE.slice(0, 7), TABLE.slice(7, 0), TABLE.slice(7)]),
    "a batch of pyarrow": lambda: TABLE.to_batches()[0],
    "a reader of pyarrow": lambda: TABLE.to_reader(max_chunksize=9),
    "large strings": lambda: TABLE.cast(
        pa.schema([("id", pa.int64()), ("instruction", pa.large_string()), ("response", pa.large_string())])
    ),
    "string views": lambda: TABLE.cast(
        pa.schema([("id", pa.int64()), ("instruction", pa.string_view()), ("response", pa.string_view())])
    ),
    "dictionaries": lambda: TABLE.set_column(1, "instruction", TABLE["instruction"].dictionary_encode()),
    "polars": lambda: pl.DataFrame(COLUMNS),
    "polars with categories": lambda: pl.DataFrame(COLUMNS).with_columns(pl.col("instruction").cast(pl.Categorical)),
    "duckdb": lambda: duckdb.from_arrow(TABLE),
    "pandas": lambda: pd.DataFrame(COLUMNS),
}


@pytest.mark.parametrize("kind", MADE)
def test_tables_of_every_kind_get_the_same_scores(mini: Scorer, kind: str) -> None:
    scored = mini.score_arrow(MADE[kind]())
    assert scored.column_names == ["id", "instruction", "response", "score", "tokens", "truncated"]
    assert len(scored) == len(PAIRS) and scored.failed == 0 and scored.failures == []
    assert bits(scores_of(scored)) == bits(mini.score_pairs(PAIRS))
    assert pa.table(scored)["id"].to_pylist() == COLUMNS["id"]


def test_tables_go_out_to_each(mini: Scorer) -> None:
    scored = mini.score_arrow(TABLE)
    expected = bits(mini.score_pairs(PAIRS))
    assert bits(pl.DataFrame(scored)["score"].to_numpy()) == expected
    assert bits(pd.DataFrame.from_arrow(scored)["score"].to_numpy()) == expected
    relation = duckdb.from_arrow(pa.table(scored))
    assert bits(np.array([row[0] for row in relation.project("score").fetchall()], np.float32)) == expected
    out = pa.table(scored)
    assert out.schema.field("tokens").type == out.schema.field("truncated").type == pa.int32()
    assert out["response"].to_pylist() == COLUMNS["response"]
    # Twice, because handing it on does not use it up.
    assert pa.table(scored).equals(out)
    assert repr(scored) == "<cappy.Table: 40 rows of id, instruction, response, score, tokens, truncated; 0 failed>"


def test_tokens_and_cut_tokens_are_told(mini: Scorer) -> None:
    long = pa.table({"instruction": ["Name an animal.", "Name an animal."], "response": ["dog", "dog " * 400]})
    out = pa.table(mini.score_arrow(long)).to_pydict()
    assert out["truncated"][0] == 0 and out["truncated"][1] > 100
    assert out["tokens"][0] < 20 and out["tokens"][1] == mini.info()["max_tokens"]


def test_texts_of_a_slice_are_those_of_the_slice(mini: Scorer) -> None:
    scored = mini.score_arrow(TABLE.slice(11, 5))
    assert bits(scores_of(scored)) == bits(mini.score_pairs(PAIRS[11:16]))


def test_an_empty_table_stays_empty(mini: Scorer) -> None:
    scored = mini.score_arrow(TABLE.slice(0, 0))
    assert len(scored) == 0 and len(scored.column_names) == 6


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["dog", None, "cat"]),
        pa.array(["dog", None, "cat"]).dictionary_encode(),
        pa.array(["dog", None, "cat"], pa.string_view()),
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), pa.array(["dog", None, "cat"])),
    ],
    ids=["strings", "dictionary", "views", "dictionary with a null"],
)
def test_a_null_is_named_by_its_row_or_becomes_a_null(mini: Scorer, column: Any) -> None:
    table = pa.table({"instruction": ["Name an animal."] * 3, "answer": column})
    with pytest.raises(CappyError, match=r"^row 1: column 'answer' is null$") as raised:
        mini.score_arrow(table, response="answer")
    assert (raised.value.code, raised.value.at_fault) == ("input", "row 1")
    with pytest.raises(CappyError, match="^row 1001: "):
        mini.score_arrow(table, response="answer", first_row=1000)

    scored = mini.score_arrow(table, response="answer", on_error="null")
    assert (scored.failed, scored.failures) == (1, ["row 1: column 'answer' is null"])
    out = pa.table(scored)
    assert [each is None for each in out["score"].to_pylist()] == [False, True, False]
    assert out["tokens"].to_pylist()[1] is None and out["truncated"].to_pylist()[1] is None
    rest = out["score"].combine_chunks().drop_null().to_numpy()
    assert bits(rest) == bits(mini.score("Name an animal.", ["dog", "cat"]))


def test_rows_are_counted_over_batches(mini: Scorer) -> None:
    good = pa.table({"instruction": ["a"] * 3, "response": ["b"] * 3})
    bad = pa.table({"instruction": ["a", None], "response": ["b", "c"]})
    with pytest.raises(CappyError, match="^row 7: column 'instruction' is null"):
        mini.score_arrow(pa.concat_tables([good, good, bad]))


def test_only_the_first_failures_are_told_in_words(mini: Scorer) -> None:
    nothing = pa.table({"instruction": pa.nulls(30), "response": ["b"] * 30})
    scored = mini.score_arrow(nothing, on_error="null")
    assert scored.failed == 30 and len(scored.failures) == 20
    assert pa.table(scored)["score"].null_count == 30


@pytest.mark.parametrize(
    ("table", "what"),
    [
        (pa.table({"instruction": ["a"], "response": [5]}), "column 'response': is Int64, and text is needed"),
        (
            pa.table({"instruction": ["a"], "answer": ["b"]}),
            "column 'response': is not there; there are instruction, answer",
        ),
        (
            pa.table({"instruction": ["a"], "response": ["b"], "score": [1.0]}),
            "column 'score': is there already, and would be written; rename it",
        ),
        (
            pa.table({"instruction": ["a"], "response": pa.array([1]).dictionary_encode()}),
            "column 'response': is Dictionary(Int32, Int64), and text is needed",
        ),
    ],
)
@pytest.mark.parametrize("on_error", ["raise", "null"])
def test_columns_that_cannot_be_scored_are_named(mini: Scorer, table: Any, what: str, on_error: Any) -> None:
    with pytest.raises(CappyError) as raised:
        mini.score_arrow(table, on_error=on_error)
    assert str(raised.value) == what
    assert raised.value.code == "input"


def test_what_is_no_table_is_refused(mini: Scorer) -> None:
    for data in ({"instruction": ["a"]}, 5, pa.array(["a"])):
        with pytest.raises(CappyError, match="^data: "):
            mini.score_arrow(data)  # type: ignore[arg-type]
    with pytest.raises(CappyError, match='^on_error: is "skip"; raise and null are known$'):
        mini.score_arrow(TABLE, on_error="skip")  # type: ignore[arg-type]


def test_broken_utf8_is_refused(mini: Scorer) -> None:
    text = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 2], np.int32)), pa.py_buffer(b"\xff\xfe")]
    )
    with pytest.raises(CappyError, match=r"^column 'response': is broken: .*[uU][tT][fF]"):
        mini.score_arrow(pa.table({"instruction": ["a"], "response": text}))


def test_several_labels_make_lists(three_labels: Path, mini: Scorer) -> None:
    with Scorer.load(three_labels, device="cpu") as scorer:
        out = pa.table(scorer.score_arrow(TABLE.slice(0, 3)))
        assert out.schema.field("score").type == pa.list_(pa.float32())
        flat = np.array(out["score"].to_pylist(), np.float32)
        assert bits(flat) == bits(scorer.score_pairs(PAIRS[:3]))
