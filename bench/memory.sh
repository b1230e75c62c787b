#!/usr/bin/env bash
# bench/memory.sh - what a machine's process takes beside the guest's memory, after Debian has booted and after it has worked; with PROGRAMS=1 the
# Debian with compilers of bench/programs.sh, else one that is small.
cd "$(dirname "$(realpath "$0")")/.." && exec python3 bench/memory.py
