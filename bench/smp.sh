#!/usr/bin/env bash
# bench/smp.sh - what a second virtual processor adds: Debian's programs once and twice at a time in a guest with two, and round trips
# through pipes between processes on one and on two of them; the best of ROUNDS (3). Says something on a host with two idle processors only.
cd "$(dirname "$(realpath "$0")")/.." && exec python3 bench/smp.py
