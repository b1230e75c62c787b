#!/usr/bin/env bash
# bench/programs.sh [PROGRAM...] - real programs of Debian (gcc python 7z gzip) natively, in QEMU's TCG and in Ringbox, with the same
# binaries and the same guest disk: the best of ROUNDS (3) as a table. Both guests run at the same time, one of them busy at a time.
cd "$(dirname "$(realpath "$0")")/.." && exec python3 bench/compare_programs.py "$@"
