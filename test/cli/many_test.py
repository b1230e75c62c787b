#!/usr/bin/env python3
"""many_test.py - what commands cost with many machines registered: the least of several runs, since other work goes on beside it."""
import os
import time
import uuid

from manage import check, main


def register(h, count):
    """Registry and settings of so many machines, as their files."""
    h.ok("createvm", "--name", "m0", "--ostype", "Debian_64", "--register")
    h.stop()
    with open(f"{h.vms}/m0/m0.vbox", encoding="utf-8") as f:
        machine = f.read()
    with open(f"{h.config}/VirtualBox.xml", encoding="utf-8") as f:
        registry = f.read()
    first = machine.split('uuid="{', 1)[1].split("}", 1)[0]
    entry = next(line for line in registry.splitlines() if first in line)
    entries = [entry]
    for number in range(1, count):
        own = str(uuid.uuid4())
        os.mkdir(f"{h.vms}/m{number}")
        with open(f"{h.vms}/m{number}/m{number}.vbox", "w", encoding="utf-8") as f:
            f.write(machine.replace(first, own).replace('name="m0"', f'name="m{number}"'))
        entries.append(entry.replace(first, own).replace("m0/m0", f"m{number}/m{number}"))
    with open(f"{h.config}/VirtualBox.xml", "w", encoding="utf-8") as f:
        f.write(registry.replace(entry, "\n".join(entries)))


def least(h, runs, *args):
    """Milliseconds of the fastest run."""
    best = 1e9
    for _ in range(runs):
        started = time.monotonic()
        h.ok(*args)
        best = min(best, (time.monotonic() - started) * 1000)
    return best


def hundred(h):
    register(h, 100)
    cold = 1e9
    for _ in range(5):
        h.stop()
        cold = min(cold, least(h, 1, "showvminfo", "m50", "--machinereadable"))
    warm = least(h, 30, "showvminfo", "m50", "--machinereadable")
    print(f"# 100 machines: showvminfo {warm:.0f} ms, with the service's start {cold:.0f} ms")
    check(warm <= 30, f"showvminfo takes {warm:.0f} ms")
    check(cold <= 250, f"showvminfo and the service's start take {cold:.0f} ms")


def thousand(h):
    register(h, 1000)
    check(len(h.ok("list", "vms").splitlines()) == 1000, "not all are there")
    warm = least(h, 10, "list", "vms")
    print(f"# 1,000 machines: list vms {warm:.0f} ms")
    check(warm <= 300, f"list vms takes {warm:.0f} ms")


main(hundred, thousand)
