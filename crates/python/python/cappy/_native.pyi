"""What is compiled of this package."""

import os
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from cappy.types import ArrowData, Decided, Explanation, Ranked

__version__: str

__all__ = ["Scorer", "Table", "__version__", "_load_again"]

def _load_again(arguments: str) -> Scorer:
    """The scorer that a pickle tells of."""

@final
class Table:
    """A table in Arrow's memory, which is handed on without a copy.

    Whatever reads Arrow's PyCapsule interface takes it: ``pyarrow.table(it)``, ``polars.DataFrame(it)``,
    ``pandas.DataFrame.from_arrow(it)``, ``duckdb.from_arrow(it)``.
    """

    @property
    def failed(self) -> int:
        """How many rows have no score, because they could not be scored."""

    @property
    def failures(self) -> list[str]:
        """What was wrong with the first 20 of them, each named by its number."""

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""

    def __len__(self) -> int: ...
    def __arrow_c_schema__(self) -> object: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

@final
class Scorer:
    """A loaded model.

    Its methods may be called from any thread. Other threads of Python run meanwhile; calls to one scorer wait for each
    other. A Ctrl-C ends a call at once, and its work at the next submission to the device. A scorer is a context
    manager, and pickles as the arguments that it was loaded with, without ``token`` and ``progress``: whoever unpickles
    it loads the model again.

    A pair's score does not depend on the others of a call, to the bit.
    """

    @staticmethod
    def load(
        model: str | os.PathLike[str] | None = None,
        *,
        device: Literal["auto", "gpu", "cpu"] = "auto",
        compute: Literal["auto", "f16", "f32"] = "auto",
        weights: Literal["auto", "f16", "q8", "q4"] = "auto",
        adapter: str | os.PathLike[str] | None = None,
        revision: str | None = None,
        token: str | None = None,
        progress: Callable[[str | None, int, int], object] | None = None,
    ) -> Scorer:
        """Loads a model: a folder, a hub id, or without one the model that comes along.

        Args:
            model: a folder, or a hub id ``owner/name``, which is downloaded once into the folder that
                ``huggingface_hub`` uses, too; without one, cappy-small, which is in this package.
            device: where to compute; ``auto`` takes the faster of GPU and CPU, which is measured once and remembered,
                and the CPU where the GPU cannot be used.
            compute: how shaders read numbers; the CPU knows f32 alone.
            weights: how matrices are held: as they are stored, or rounded while they load.
            adapter: a folder with what adaptation changes of the model, as ``peft`` writes it.
            revision: a branch, tag or commit of the model on the hub.
            token: for private models; by default that of ``huggingface_hub`` (``HF_TOKEN``).
            progress: called with the file that is downloaded (None while weights are read), the bytes that are there
                and their total. What it raises ends the call.

        Raises:
            CappyError: naming the argument, file, tensor, adapter limit or the hub's answer at fault.
        """

    def score(self, instruction: str, responses: Iterable[str]) -> NDArray[np.float32]:
        """The score of each response.

        Returns:
            The raw logits in the order of the responses, float32 of shape ``(responses,)``, or
            ``(responses, labels)`` for a model with several labels.

        Raises:
            CappyError: ``input`` or ``not-finite``, naming the response by its number from 0; ``disposed`` after
                :meth:`close`; or what the device says.
        """

    def score_pairs(self, pairs: Iterable[tuple[str, str]]) -> NDArray[np.float32]:
        """The score of each (instruction, response).

        Returns:
            As :meth:`score`, of shape ``(pairs,)`` or ``(pairs, labels)``.

        Raises:
            CappyError: as :meth:`score`, naming the pair by its number from 0.
        """

    def rank(self, instruction: str, candidates: Iterable[str], top_k: int | None = None) -> list[Ranked]:
        """The best ``top_k`` of the candidates, or all, best first. Ties go to the earlier one.

        Returns:
            For each its ``rank`` from 1, its ``index`` among those given, ``score`` (the raw logit), ``text``, and how
            many tokens were cut (``truncated``).

        Raises:
            CappyError: as :meth:`score`, and ``input`` for a model with several labels.
        """

    def decide(
        self,
        state: object,
        questions: Mapping[str, Mapping[str, object]],
        *,
        rendering: Mapping[str, object] | None = None,
    ) -> Decided:
        """Answers typed questions about a state, with probabilities.

        Args:
            state: a text, or anything that ``json`` writes.
            questions: for each name ``{"type": "choice", "instructions": s, "criteria": {option: description}}``,
                ``{"type": "score", "instructions": s, "criteria": [level, ...]}`` or
                ``{"type": "boolean", "instructions": s}``.
            rendering: how the model is asked, as in a ``decide.json``; by default the model's own.

        Raises:
            CappyError: ``input`` naming the question and field at fault, and as :meth:`score`.
        """

    def explain(
        self,
        instruction: str,
        response: str,
        *,
        unit: Literal["word", "sentence"] | None = None,
        of: Literal["response", "instruction"] = "response",
        at_most: int | None = None,
    ) -> Explanation:
        """What each word or sentence does to the score of a pair, by leaving it out.

        Args:
            instruction: the first text.
            response: the second.
            unit: what to leave out; by default words where there are at most 64 of them.
            of: the text to leave it out of.
            at_most: the most units, by default 512; a pair is scored for each.

        Returns:
            The score, and the units in order, with ``start`` and ``end`` as places in the text. ``effect`` is the score
            minus the score without the unit.

        Raises:
            CappyError: ``input`` naming the text that has no units or too many, and as :meth:`score`.
        """

    def info(self) -> dict[str, Any]:
        """What was loaded and how it runs: ``model``, ``config``, ``adapter``, ``kernels`` and more."""

    def score_arrow(
        self,
        data: ArrowData,
        instruction: str = "instruction",
        response: str = "response",
        *,
        on_error: Literal["raise", "null"] = "raise",
        first_row: int = 0,
    ) -> Table:
        """Scores the rows of a table.

        Args:
            data: a table or batch of pyarrow, polars, duckdb, pandas 3 or anything with Arrow's PyCapsule interface.
                Its texts are read where they lie.
            instruction: the column of instructions: strings, large strings, string views or a dictionary of them.
            response: the column of responses.
            on_error: ``null`` gives a row that cannot be scored nulls, and counts it (``failed``), instead of raising.
            first_row: the number of the first row in errors, for tables that come in batches.

        Returns:
            The table with three columns appended: ``score`` (float32; for a model with several labels a list of
            float32), ``tokens`` (int32: tokens of the pair, special ones included) and ``truncated`` (int32: tokens
            that were cut).

        Raises:
            CappyError: ``input`` naming the column that is missing, holds no text or would be written over, or the row
                with a null; and as :meth:`score`, naming the row.
        """

    def close(self) -> None:
        """Gives back the model's memory. Calls after this are errors; closing twice is none."""

    def __enter__(self) -> Scorer: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
