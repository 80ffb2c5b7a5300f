#!/bin/sh
# The recipes of README.md at small scale: the same number of pairs each, short instructions. Usage: trials.sh OUT [PYTHON]
# OUT/table.md gets a line for each; what is there is not run again. About ten minutes each on two cores.
out=$1; py=${2:-python}; here=$(dirname "$0")
mkdir -p "$out"; touch "$out/table.md"
trial() {
    name=$1; shift
    grep -q "$name/ema" "$out/table.md" && return
    $py "$here/train.py" --out "$out/$name" --tokens 1024 --pairs 10000 --instruction 320 --short 200 --longest 128 \
        --warmup 50 --ema 0.99 --snapshot 1000000 --every 1000 "$@" > "$out/$name.log" 2>&1
    $py "$here/evaluate.py" "$out/$name/ema" --each 2 --answers 60 > "$out/$name.eval" 2>&1
    grep "$name/ema" "$out/$name.eval" >> "$out/table.md"
}
trial list
trial lr3 --lr 3e-4
trial mse --loss mse
trial pair --loss pair
trial lr05 --lr 5e-5
trial labels --shares '{"sentences": 0, "free": 0, "decisions": 0, "preferences": 0, "synthetic": 0}'
trial no-decisions --shares '{"decisions": 0}'
trial top3 --learn top3
