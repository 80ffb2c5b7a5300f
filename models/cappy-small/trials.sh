#!/bin/sh
# The recipes of README.md at small scale: the same number of pairs each, short instructions. Usage: trials.sh OUT [PYTHON]
out=$1; py=${2:-python}; here=$(dirname "$0")
trial() {
    name=$1; shift
    $py "$here/train.py" --out "$out/$name" --workers 1 --tokens 1024 --pairs 3900 --instruction 320 --short 200 --longest 128 \
        --warmup 30 --ema 0.98 --snapshot 1000000 --every 1000 "$@" > "$out/$name.log" 2>&1
}
trial list
trial mse --loss mse
trial pair --loss pair
trial labels --shares '{"sentences": 0, "free": 0, "decisions": 0, "preferences": 0, "synthetic": 0}'
trial no-decisions --shares '{"decisions": 0}'
trial top3 --learn top3
trial lr3 --lr 3e-4
