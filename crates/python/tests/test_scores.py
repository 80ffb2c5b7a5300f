"""Scores are those of the command line to the bit, and those of transformers within the bounds."""

from pathlib import Path

import numpy as np
import pytest
from cappy import Scorer
from conftest import MINI, bits, command_line, golden_of, golden_pairs


@pytest.mark.parametrize("model", ["cappy-mini", "cappy-small"])
def test_scores_equal_the_command_lines_to_the_bit_and_transformers_within_bounds(model: str) -> None:
    pairs = golden_pairs(model)
    golden = golden_of(model)
    folder = None if model == "cappy-small" else MINI
    with Scorer.load(folder, device="cpu") as scorer:
        scores = scorer.score_pairs(pairs)
    options = ["--device", "cpu", *(["--model", str(folder)] if folder else [])]
    assert bits(scores) == bits(command_line(pairs, *options))

    bound = golden["bound"]
    most = bound.get("absolute") or bound["of_std"] * golden["measured"]["std"][0]
    error = np.abs(scores - np.array(golden["scores"], np.float32)[:, 0])
    # Written so that NaN fails.
    assert not (~(error <= most)).any(), f"{error.max()} where {most} is allowed"


def test_a_score_does_not_depend_on_the_call(mini: Scorer) -> None:
    pairs = golden_pairs()
    together = mini.score_pairs(pairs)
    assert bits(mini.score_pairs(pairs[::-1])[::-1]) == bits(together)
    for place in (0, 30, 76):
        instruction, response = pairs[place]
        assert bits(mini.score(instruction, [response])) == bits(together[place : place + 1])


def test_arrays_have_a_row_for_each_pair(mini: Scorer, three_labels: Path) -> None:
    one = mini.score("Name an animal.", ["dog", "stone"])
    assert one.shape == (2,) and one.dtype == np.float32 and one.flags.owndata | one.flags.writeable
    assert mini.score("Name an animal.", []).shape == (0,)
    with Scorer.load(three_labels, device="cpu") as scorer:
        three = scorer.score("Name an animal.", ["dog", "stone"])
        assert three.shape == (2, 3) and three.dtype == np.float32
        assert scorer.score_pairs([]).shape == (0, 3)
        assert bits(three[:, 0]) == bits(one) == bits(three[:, 2])
        assert bits(three[:, 1]) != bits(one)


def test_iterables_of_every_kind_are_read(mini: Scorer) -> None:
    expected = bits(mini.score("Name an animal.", ["dog", "stone"]))
    for responses in (("dog", "stone"), np.array(["dog", "stone"], object), iter(["dog", "stone"])):
        assert bits(mini.score("Name an animal.", responses)) == expected
    pairs = [["Name an animal.", "dog"], ("Name an animal.", "stone")]
    assert bits(mini.score_pairs(pairs)) == expected  # type: ignore[arg-type]


def test_ranking_is_best_first_and_ties_go_to_the_earlier(mini: Scorer) -> None:
    candidates = ["stone", "dog", "stone", "cat"]
    scores = mini.score("Name an animal.", candidates)
    ranked = mini.rank("Name an animal.", candidates)
    assert [each["rank"] for each in ranked] == [1, 2, 3, 4]
    order = sorted(range(4), key=lambda index: -float(scores[index]))
    assert [each["index"] for each in ranked] == order
    for each in ranked:
        assert each["text"] == candidates[each["index"]]
        assert np.float32(each["score"]) == scores[each["index"]]
        assert each["truncated"] == 0
    assert mini.rank("Name an animal.", candidates, 2) == ranked[:2]
    assert mini.rank("Name an animal.", candidates, top_k=0) == []


def test_decisions_are_those_of_the_command_line(mini: Scorer) -> None:
    state = {"message": "I was charged twice, and I want my money back."}
    questions: dict[str, dict[str, object]] = {
        "team": {"type": "choice", "criteria": {"billing": "Payments and refunds", "support": None}},
        "urgent": {"type": "score", "instructions": "How severe is it?", "criteria": ["Cosmetic", "Blocking"]},
        "refund": {"type": "boolean", "instructions": "Is a refund asked for?"},
    }
    decided = mini.decide(state, questions)
    assert list(decided["answers"]) == ["team", "urgent", "refund"]
    team = decided["answers"]["team"]
    assert team["choice"] in ("billing", "support")
    assert sum(team["probabilities"].values()) == pytest.approx(1)
    assert 0 <= decided["answers"]["refund"]["probability"] <= 1
    assert decided["truncated"] == 0
    hot = mini.decide(state, questions, rendering={"temperature": 1e6})
    assert hot["answers"]["refund"]["probability"] == pytest.approx(0.5, abs=1e-3)


def test_explanations_count_characters(mini: Scorer) -> None:
    response = "Ein süßer 🐕 bellt laut."
    explained = mini.explain("Which animal barks?", response)
    assert explained["unit"] == "word"
    for unit in explained["units"]:
        assert response[unit["start"] : unit["end"]] == unit["text"]
    last = explained["units"][-1]
    without = response[: last["start"]].rstrip() + response[last["end"] :]
    score, rest = mini.score("Which animal barks?", [response, without])
    assert np.float32(explained["score"]) == score
    assert last["effect"] == pytest.approx(float(score - rest), abs=1e-6)
    by_sentence = mini.explain("Bark? Now!", "dog", unit="sentence", of="instruction")
    assert [unit["text"] for unit in by_sentence["units"]] == ["Bark?", "Now!"]


def test_info_says_what_was_loaded(mini: Scorer) -> None:
    info = mini.info()
    assert info["model"] == str(MINI)
    assert info["adapter"]["backend"] == "cpu"
    assert info["config"]["hidden_size"] == 128
    assert repr(mini).startswith(f"<cappy.Scorer: {MINI} on ")


def test_weights_and_adapters_change_scores(mini: Scorer) -> None:
    expected = mini.score("Name an animal.", ["dog"])
    with Scorer.load(MINI, device="cpu", weights="q8") as rounded:
        scores = rounded.score("Name an animal.", ["dog"])
    assert bits(scores) != bits(expected)
    assert abs(scores[0] - expected[0]) < 0.05
