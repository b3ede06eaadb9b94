#!/bin/bash
# Repeats the runs behind docs/results.md, one after the other; finished ones are left
# as they are.
#
#   benchmarks/results.sh CELEBA DIGITS OUT
#
# CELEBA: CelebA in its standard layout. DIGITS: folder of mnist.npz and usps.npz. OUT: where the run
# folders go.
set -euo pipefail

if [ $# -ne 3 ]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
celeba=$1 digits=$2 out=$3

run() {
    python -m cdd_keras.train --output "$out/$1" --resume "${@:2}"
}

run default --attr eyeglasses
run default-source-only --attr eyeglasses --method source_only
run default-source-only-raw --attr eyeglasses --method source_only --classifier-input raw
run default-oracle --attr eyeglasses --method oracle
table2=(--config configs/celeba_table2.yaml --data-dir "$celeba")
run table2 "${table2[@]}"
run table2-source-only "${table2[@]}" --method source_only
run table2-source-only-raw "${table2[@]}" --method source_only --classifier-input raw
run table2-oracle "${table2[@]}" --method oracle
for table in table1 table3; do
    run $table --config configs/celeba_$table.yaml --data-dir "$celeba"
    run $table-source-only --config configs/celeba_$table.yaml --data-dir "$celeba" --method source_only
done
for pair in mnist-usps usps-mnist; do
    config=configs/digits_${pair/-/_}.yaml
    run digits-$pair --config "$config" --data-dir "$digits"
    run digits-$pair-source-only --config "$config" --data-dir "$digits" --method source_only
done
