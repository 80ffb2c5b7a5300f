"""Spark and Ray, as they come from PyPI, on this machine: complete results although a process is killed.

``CAPPY_CLUSTER_ROWS`` says how many rows; the default is 20,000.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cappy.ray
import cappy.spark
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cappy import CappyError, Scorer
from conftest import bits

ROWS = int(os.environ.get("CAPPY_CLUSTER_ROWS", "20000"))
PARTS = 40


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of Parquet files."""
    folder = tmp_path_factory.mktemp("rows")
    each = ROWS // PARTS
    for part in range(PARTS):
        ids = range(part * each, (part + 1) * each)
        instructions = [f"Which number is larger than {number % 977}?" for number in ids]
        responses = [f"It is {number} or " + "more " * (number % 13) for number in ids]
        table = pa.table({"id": pa.array(ids, pa.int64()), "instruction": instructions, "response": responses})
        pq.write_table(table, folder / f"part-{part:03}.parquet")
    return folder


@pytest.fixture(scope="module")
def expected(rows: Path, tiny: Path) -> Any:
    """The scores of one process, by the row's id."""
    with Scorer.load(tiny, device="cpu") as scorer:
        return pa.table(scorer.score_arrow(pq.read_table(rows))).sort_by("id")


def check(folder: Path, expected: Any) -> None:
    """All rows are in the Parquet files of the folder, once, with the scores of one process to the bit."""
    found = pq.read_table(folder).select(expected.column_names).sort_by("id")
    assert found["id"].to_pylist() == list(range(ROWS))
    for column in ("instruction", "response", "tokens", "truncated"):
        assert found[column].to_pylist() == expected[column].to_pylist(), column
    assert bits(found["score"].to_numpy()) == bits(expected["score"].to_numpy())


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    # Executors run this virtual environment's Python, and not the system's.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder: Any = SparkSession.builder
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.files.maxPartitionBytes": "64k",
        "spark.sql.files.openCostInBytes": "64k",
        "spark.sql.session.timeZone": "UTC",
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.master("local-cluster[2,1,2048]").appName("cappy").getOrCreate()
    yield session
    session.stop()


def executors(root: int) -> list[int]:
    """The processes of executors that descend from a process."""
    parents: dict[int, int] = {}
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
                if b"CoarseGrainedExecutorBackend" in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue  # It has ended meanwhile.

    def descends(process: int) -> bool:
        while process > 1 and process != root:
            process = parents.get(process, 0)
        return process == root

    return [process for process in found if descends(process)]


def test_spark_loses_and_doubles_nothing_when_an_executor_is_killed(
    spark: Any, rows: Path, tiny: Path, expected: Any, tmp_path: Path
) -> None:
    df = spark.read.parquet(str(rows))
    scored = cappy.spark.score(df, str(tiny), device="cpu")
    assert scored.columns == ["id", "instruction", "response", "score", "tokens", "truncated"]
    job = threading.Thread(target=lambda: scored.write.parquet(str(tmp_path / "out")))
    job.start()
    tracker = spark.sparkContext.statusTracker()
    completed, tasks = 0, 0
    deadline = time.monotonic() + 120
    while completed < 3:
        assert time.monotonic() < deadline and job.is_alive(), "no task ended in time to kill an executor"
        for stage in tracker.getActiveStageIds():
            info = tracker.getStageInfo(stage)
            if info is not None and info.numTasks > 3:
                completed, tasks = info.numCompletedTasks, info.numTasks
        time.sleep(0.01)
    assert completed < tasks
    running = executors(os.getpid())
    assert len(running) == 2
    os.kill(running[0], signal.SIGKILL)
    job.join()
    check(tmp_path / "out", expected)


def test_spark_names_a_row_that_cannot_be_scored_or_gives_it_nulls(spark: Any, tiny: Path) -> None:
    rows = [(0, "a", "b"), (1, "a", None), (2, "a", "c")]
    df = spark.createDataFrame(rows, "id long, instruction string, response string").coalesce(1)
    with pytest.raises(Exception, match="partition 0, row 1: column 'response' is null"):
        cappy.spark.score(df, str(tiny), device="cpu").collect()
    scored = cappy.spark.score(df, str(tiny), device="cpu", on_error="null")
    assert scored.where("score is null").count() == 1
    assert [row["id"] for row in scored.where("score is null").collect()] == [1]


def test_spark_refuses_columns_before_it_computes(spark: Any) -> None:
    df = spark.createDataFrame([("a", 5, 1.0)], "instruction string, response int, score double")
    with pytest.raises(CappyError, match="^column 'response': is int, and text is needed$"):
        cappy.spark.score(df)
    with pytest.raises(CappyError, match="^column 'answer': is not there$"):
        cappy.spark.score(df, response="answer")
    with pytest.raises(CappyError, match="^column 'score': is there already"):
        cappy.spark.score(df, response="instruction")


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    # Actors find the classes of this file.
    environment = {"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}}
    ray.init(
        num_cpus=4,  # Two for the actors, and some for reading and writing.
        include_dashboard=False,
        object_store_memory=200 << 20,
        runtime_env=environment,
        _node_ip_address="127.0.0.1",
    )
    yield ray
    ray.shutdown()


class Mortal(cappy.ray.Score):
    """Is killed once, in the middle of its work, whichever actor comes to it first."""

    def __init__(self, *, killed: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._killed = killed
        self._batches = 0

    def __call__(self, batch: Any) -> Any:
        self._batches += 1
        if self._batches == 3:
            try:
                os.close(os.open(self._killed, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(batch)


def score_by_ray(ray: Any, dataset: Any, kind: type, **arguments: Any) -> Any:
    return dataset.map_batches(
        kind,
        fn_constructor_kwargs={"device": "cpu", **arguments},
        batch_format="pyarrow",
        batch_size=500,
        compute=ray.data.ActorPoolStrategy(size=2),
        num_cpus=1,
    )


def test_ray_loses_and_doubles_nothing_when_an_actor_is_killed(
    ray: Any, rows: Path, tiny: Path, expected: Any, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"
    dataset = ray.data.read_parquet(str(rows))
    scored = score_by_ray(ray, dataset, Mortal, model=str(tiny), killed=str(killed))
    scored.write_parquet(str(tmp_path / "out"))
    assert killed.exists()
    check(tmp_path / "out", expected)


def test_ray_names_a_row_that_cannot_be_scored_or_gives_it_nulls(ray: Any, tiny: Path) -> None:
    table = pa.table({"instruction": ["a", "a", "a"], "response": ["b", None, "c"]})
    dataset = ray.data.from_arrow(table)
    with pytest.raises(Exception, match="row 1: column 'response' is null"):
        score_by_ray(ray, dataset, cappy.ray.Score, model=str(tiny)).take_all()
    scored = score_by_ray(ray, dataset, cappy.ray.Score, model=str(tiny), on_error="null").take_all()
    assert [row["score"] is None for row in scored] == [False, True, False]
