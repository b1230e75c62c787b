"""smp.py - see smp.sh."""
import os
import re
import sys
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(ROOT, "test/guests"))
import programs
from guest import Machine, main

ROUNDS = int(os.environ.get("ROUNDS", "3"))


def seconds(m, command):
    started = time.monotonic()
    programs.answer(m, command, 600)
    return time.monotonic() - started


def bench():
    m = Machine(programs.make("b-smp", CPUS=2))
    try:
        programs.login(m)
        with open("/proc/loadavg", encoding="ascii") as f:
            print(f"host load before the run: {' '.join(f.read().split()[:3])}\n")
        print("| two vCPUs | one at a time, s | two at a time, s | throughput |\n|---|---|---|---|")
        for name in ("python", "gzip"):
            work = f"{programs.WORK} {name} > /dev/null"
            one = min(seconds(m, work) for _ in range(ROUNDS))
            two = min(seconds(m, f"{work} & {work}; wait") for _ in range(ROUNDS))
            print(f"| {name} | {one:.2f} | {two:.2f} | {2 * one / two:.2f}x |")
        print("\n| pipe, round trip | us |\n|---|---|")
        for name, cpus in (("one vCPU", "0 0"), ("two vCPUs", "0 1")):
            said = [programs.answer(m, f"python3 /opt/programs/pipe.py {cpus}", 300)[-1] for _ in range(ROUNDS)]
            print(f"| {name} | {min(float(re.search('[0-9.]+', s).group()) for s in said):.1f} |")
    finally:
        m.kill()


main(bench)
