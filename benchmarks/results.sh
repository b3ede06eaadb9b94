#!/bin/bash
# Repeats the runs behind docs/results.md, one after the other; finished ones are left
# as they are.
#
#   benchmarks/results.sh CELEBA DIGITS OUT
#
# CELEBA: CelebA in its standard layout. DIGITS: folder of mnist.npz and usps.npz. OUT: where the run
# folders go. About an hour on two cores with AVX-512.
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
run table1 --config configs/celeba_table1.yaml --data-dir "$celeba"
run table3 --config configs/celeba_table3.yaml --data-dir "$celeba"
run digits-mnist-usps --config configs/digits_mnist_usps.yaml --data-dir "$digits"
run digits-usps-mnist --config configs/digits_usps_mnist.yaml --data-dir "$digits"
