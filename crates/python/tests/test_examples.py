"""The examples run, and find the dog."""

import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.mark.parametrize("example", ["datasets_map.py", "polars_map_batches.py"])
def test_examples_find_the_animal_that_barks(example: str) -> None:
    ran = subprocess.run([sys.executable, str(ROOT / "examples/python" / example)], stdout=subprocess.PIPE, text=True)
    assert ran.returncode == 0
    assert ran.stdout.splitlines()[-1] == "dog"
