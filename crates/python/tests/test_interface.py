"""Errors, pickles, threads, Ctrl-C, forks, and the context manager."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cappy
import pytest
from cappy import CappyError, Scorer
from conftest import MINI, bits


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        ({"model": "/nowhere"}, "not-found", "/nowhere: is no folder"),
        ({"model": "a/b/c/d"}, "input", "a/b/c/d"),
        ({"device": "tpu"}, "input", 'device: is "tpu"; auto, gpu and cpu are known'),
        ({"compute": "q8"}, "input", 'compute: is "q8"; auto, f16 and f32 are known'),
        ({"weights": "f32"}, "input", 'weights: is "f32"; auto, f16, q8 and q4 are known'),
        ({"device": "cpu", "compute": "f16"}, "input", "dtype: is for shaders"),
        ({"revision": "main"}, "input", "revision: is for models of a hub"),
        ({"model": MINI, "token": "hf_secret"}, "input", "token: is for models of a hub"),
        ({"adapter": "/nowhere", "device": "cpu"}, "not-found", "/nowhere"),
    ],
)
def test_what_cannot_be_loaded_is_named(arguments: dict[str, Any], code: str, what: str) -> None:
    with pytest.raises(CappyError) as raised:
        Scorer.load(**arguments)
    assert what in str(raised.value)
    assert raised.value.code == code
    assert raised.value.at_fault


def test_a_broken_model_is_named_by_its_file(tmp_path: Path) -> None:
    for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / file).write_bytes((MINI / file).read_bytes())
    (tmp_path / "model.safetensors").write_bytes((MINI / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(CappyError, match=r"model\.safetensors") as raised:
        Scorer.load(tmp_path, device="cpu")
    assert raised.value.code == "checkpoint"


def test_wrong_types_are_named_by_their_number(mini: Scorer) -> None:
    anything: Any = mini
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: anything.score("a", "dog"), "responses: is str, and texts are needed"),
        (lambda: anything.score("a", 5), "responses: is int, and texts are needed"),
        (lambda: anything.score("a", ["b", None, "c"]), "response 1: is NoneType, and text is needed"),
        (lambda: anything.score(5, ["b"]), "instruction: is int, and text is needed"),
        (lambda: anything.score("a", ["b", "\ud800"]), "response 1: has half of a character in it"),
        (lambda: anything.score_pairs([("a", "b"), ("a", 5)]), "pair 1: response: is int, and text is needed"),
        (lambda: anything.score_pairs([("a", "b", "c")]), "pair 0: has 3 items, and an instruction and a response"),
        (lambda: anything.score_pairs(["ab"]), "pair 0: is str, and an instruction and a response are needed"),
        (lambda: anything.rank("a", [b"dog"]), "candidate 0: is bytes, and text is needed"),
        (lambda: anything.explain("a", "b", unit="letter"), 'unit: is "letter"; word and sentence are known'),
        (lambda: anything.explain("a", "b", of="both"), 'of: is "both"; response and instruction are known'),
        (lambda: anything.explain("a", "..."), "response: has no words"),
        (lambda: anything.decide("s", {}), "questions: are none"),
        (lambda: anything.decide({1, 2}, {}), "state and questions: is not JSON"),
        (lambda: anything.decide("s", {"q": {"type": "choice", "criteria": {"a": None}}}), "questions.q.criteria"),
    ]
    for call, what in cases:
        with pytest.raises(CappyError) as raised:
            call()
        assert str(raised.value).startswith(what), str(raised.value)
        assert raised.value.code == "input"


def test_errors_go_through_pickles() -> None:
    error = CappyError("row 3: is null", "input", "row 3")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.code, again.at_fault) == ("row 3: is null", "input", "row 3")


def test_several_labels_are_not_ranked(three_labels: Path) -> None:
    with Scorer.load(three_labels, device="cpu") as scorer, pytest.raises(CappyError, match="has 3 labels"):
        scorer.rank("a", ["b"])


def test_a_closed_scorer_says_so() -> None:
    with Scorer.load(MINI, device="cpu") as scorer:
        assert scorer.score("a", ["b"]).shape == (1,)
    with pytest.raises(CappyError, match="^scorer: was closed$") as raised:
        scorer.score("a", ["b"])
    assert raised.value.code == "disposed"
    scorer.close()
    assert scorer.info()["model"] == str(MINI)


def test_progress_is_told_and_what_it_raises_ends_the_load() -> None:
    steps: list[tuple[str | None, int, int]] = []
    Scorer.load(MINI, device="cpu", progress=lambda *step: steps.append(step)).close()
    assert steps[-1][1] == steps[-1][2] > 0
    assert all(file is None for file, _, _ in steps)

    def refuse(*_: object) -> None:
        raise ValueError("enough")

    with pytest.raises(ValueError, match="^enough$"):
        Scorer.load(MINI, device="cpu", progress=refuse)


def test_a_scorer_pickles_as_its_arguments(mini: Scorer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(MINI.parent)
    with Scorer.load("cappy-mini", device="cpu", weights="q8") as scorer:
        pickled = pickle.dumps(scorer)
        expected = bits(scorer.score("Name an animal.", ["dog"]))
    assert len(pickled) < 1000
    # Paths are absolute: another process has another working folder.
    monkeypatch.chdir(tmp_path)
    with pickle.loads(pickled) as again:
        assert bits(again.score("Name an animal.", ["dog"])) == expected
    assert expected != bits(mini.score("Name an animal.", ["dog"]))


def test_another_process_unpickles_it(mini: Scorer) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        scores = pool.apply(mini.score, ("Name an animal.", ["dog", "cat"]))
    assert bits(scores) == bits(mini.score("Name an animal.", ["dog", "cat"]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no forks")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_is_told_that_it_has_no_scorer(mini: Scorer) -> None:
    child = os.fork()
    if child == 0:
        try:
            mini.score("a", ["b"])
        except CappyError as error:
            os._exit(7 if "forked" in str(error) and error.code == "input" else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_threads_share_a_scorer_and_python_runs_meanwhile(mini: Scorer) -> None:
    texts = [f"Name animal number {number}." for number in range(40)]
    expected = [bits(mini.score(text, ["dog", "cat"])) for text in texts]
    found: list[list[int] | None] = [None] * len(texts)

    def work(place: int) -> None:
        for each in range(place, len(texts), 4):
            found[each] = bits(mini.score(texts[each], ["dog", "cat"]))

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


def test_the_interpreter_is_free_while_it_scores(mini: Scorer) -> None:
    texts = ["Name the animal that barks. " * 20] * 400
    done = threading.Event()

    def work() -> None:
        mini.score("Which one?", texts)
        done.set()

    thread = threading.Thread(target=work)
    begin = time.monotonic()
    thread.start()
    turns = 0
    while not done.is_set():
        time.sleep(0.001)
        turns += 1
    seconds = time.monotonic() - begin
    thread.join()
    # With the interpreter locked this thread would have had a turn or two.
    assert turns > 20 and turns > 50 * seconds, f"{turns} turns in {seconds} s"


CTRL_C = """
import sys, time
from cappy import Scorer
scorer = Scorer.load(sys.argv[1], device="cpu")
print("loaded", flush=True)
texts = ["Name the animal that barks. " * 40] * 200_000
try:
    scorer.score("Which one?", texts)
except KeyboardInterrupt:
    begin = time.monotonic()
    # The work is stopped, too: this waits for it.
    assert scorer.score("Name an animal.", ["dog"]).shape == (1,)
    print("stopped after", time.monotonic() - begin, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signal to one process")
def test_ctrl_c_ends_the_call_and_the_work() -> None:
    child = subprocess.Popen([sys.executable, "-c", CTRL_C, str(MINI)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "loaded\n"
        time.sleep(3)
        begin = time.monotonic()
        child.send_signal(signal.SIGINT)
        said = child.stdout.readline()
        assert said.startswith("stopped after "), said
        assert time.monotonic() - begin < 8
        assert child.wait(30) == 0
    finally:
        child.kill()
        child.wait()


def test_the_version_is_that_of_the_crate() -> None:
    cargo = (MINI.parents[1] / "Cargo.toml").read_text()
    assert f'version = "{cappy.__version__}"' in cargo


def test_help_says_what_the_stub_says() -> None:
    stub = (Path(cappy.__file__).parent / "_native.pyi").read_text("utf8")
    named = [name for name in dir(Scorer) if not name.startswith("_")]
    assert len(named) == 9
    for name in named:
        summary = getattr(Scorer, name).__doc__.splitlines()[0]
        assert summary in stub, name
