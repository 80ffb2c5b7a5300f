"""Draws a training run's log as an SVG: squared error and the share of training groups whose right response came first.

    python curve.py LOG OUT.svg
"""

import re
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

LINE = re.compile(r"pairs (\d+) mse ([\d.]+) loss [\d.]+ right ([\d.]+) lr ([\d.e+-]+)")


def main():
    log, out = sys.argv[1:]
    with open(log, encoding="utf-8") as f:
        points = [tuple(map(float, m.groups())) for m in map(LINE.search, f) if m]
    pairs, mse, right, _ = zip(*points)
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "cappy", "font.size": 9})
    figure, left = plt.subplots(figsize=(6.4, 3), layout="constrained")
    left.plot(pairs, right, color="#0969da", linewidth=1)
    left.set_xlabel("pairs seen")
    left.set_ylabel("right response first", color="#0969da")
    other = left.twinx()
    other.plot(pairs, mse, color="#bc4c00", linewidth=1)
    other.set_ylabel("squared error", color="#bc4c00")
    figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    main()
