"""What methods of :class:`cappy.Scorer` take and give."""

from typing import Any, Literal, Protocol, TypeAlias, TypedDict

__all__ = ["ArrowArray", "ArrowData", "ArrowStream", "Decided", "Effect", "Explanation", "Ranked"]


class ArrowStream(Protocol):
    """A table that hands itself on by Arrow's PyCapsule interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule of Arrow's C stream."""
        ...


class ArrowArray(Protocol):
    """A batch of a table that hands itself on by Arrow's PyCapsule interface."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> object:
        """Capsules of Arrow's C schema and array."""
        ...


ArrowData: TypeAlias = ArrowStream | ArrowArray
"""What :meth:`cappy.Scorer.score_arrow` takes."""


class Ranked(TypedDict):
    """A candidate in its place."""

    rank: int
    index: int
    score: float
    text: str
    truncated: int


class Effect(TypedDict):
    """What leaving out a word or a sentence does to a score."""

    text: str
    start: int
    end: int
    effect: float


class Explanation(TypedDict):
    """What each word or sentence of a text does to a score."""

    score: float
    truncated: int
    unit: Literal["word", "sentence"]
    units: list[Effect]


class Decided(TypedDict):
    """Answers by the names of their questions, and the most tokens that were cut from a pair."""

    answers: dict[str, dict[str, Any]]
    truncated: int
