#!/bin/bash
# What each part of `cdd` brings, on Table 2: one change a run; finished runs are left as they are.
#
#   benchmarks/ablations.sh CELEBA OUT [STEPS]
#
# CELEBA: CelebA in its standard layout. OUT: where a folder for each change goes, with its table.
# STEPS: of each run, 1000 unless given; the table's own have 4000.
set -euo pipefail

if [ $# -lt 2 ]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
celeba=$1 out=$2 steps=${3:-1000}

run() {
    python -m cdd_keras.reproduce --table 2 --data-dir "$celeba" --out "$out/$1" --steps "$steps" \
        --methods "${@:2}"
}

run whole cdd
run no-belief-via-source cdd --belief-via-source 0
run no-prior-alignment cdd --prior-alignment 0
run no-wrong-values cdd --wrong-value-weight 0
run no-phases cdd --edit-start 0
run flat-code cdd --code-shape flat
run code-in-every-layer cdd_paper
run no-encoder cdd_gan
run source-only source_only
