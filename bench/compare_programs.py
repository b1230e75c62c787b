"""compare_programs.py [PROGRAM...] - see programs.sh."""
import os
import pty
import resource
import shutil
import sys
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(ROOT, "test/guests"))
import programs
from guest import Machine, check, main

ROUNDS = int(os.environ.get("ROUNDS", "3"))
LONGEST_SECONDS = 1800


class Qemu(Machine):
    """A copy of the disk in QEMU's TCG; talked to as to a Machine."""

    def __init__(self, disk):
        vdi = shutil.copyfile(disk, disk + ".qemu")
        self.text, self.started, self.folder = "", time.monotonic(), os.path.dirname(vdi)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp("qemu-system-x86_64", ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "1024", "-display", "none", "-no-reboot",
                                             "-serial", "stdio", "-drive", f"file={vdi},format=vdi,if=ide,snapshot=on"])


def own_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """Of the process and the jails it has made."""
    jails = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as f:
            jails += f.read().split()
    return own_seconds(pid) + sum(map(own_seconds, jails))


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Place:
    """Somewhere a program runs: its output, and its time by the clock and in processor time."""

    def __init__(self, name, run, used):
        self.name, self.run, self.used = name, run, used

    def measure(self, program):
        used, started = self.used(), time.monotonic()
        lines = self.run(f"{programs.WORK} {program}")
        return lines, self.used() - used, time.monotonic() - started


def table(names, best):
    print("| program | native, s | QEMU TCG, s | Ringbox, s | Ringbox / native | QEMU / Ringbox | by the clock: native, QEMU, Ringbox |\n|---|---|---|---|---|---|---|")
    for name in names:
        (n, nc), (q, qc), (r, rc) = (best[name, place] for place in ("native", "qemu", "ringbox"))
        print(f"| {name} | {n:.2f} | {q:.2f} | {r:.2f} | {r / n:.2f} | {q / r:.2f} | {nc:.2f} {qc:.2f} {rc:.2f} |")


def bench():
    names = sys.argv[1:] or "gcc python 7z gzip".split()
    vbox = programs.make("b-programs", CPUS=1)
    tree = programs.native_tree(os.path.dirname(vbox))
    ringbox, qemu = Machine(vbox), Qemu(vbox.replace(".vbox", ".vdi"))
    places = [Place("native", lambda c: programs.native(tree, c), children_seconds)]
    for name, m in (("qemu", qemu), ("ringbox", ringbox)):
        places.append(Place(name, lambda c, m=m: programs.answer(m, c, LONGEST_SECONDS), lambda m=m: cpu_seconds(m.pid)))
    try:
        for m in (qemu, ringbox):
            programs.login(m)
        best, said = {}, {}
        with open("/proc/loadavg", encoding="ascii") as f:
            print(f"host load before the run: {' '.join(f.read().split()[:3])}; processor time of the whole process, the best of {ROUNDS}\n")
        for _ in range(ROUNDS):
            for name in names:
                for place in places:
                    lines, used, clock = place.measure(name)
                    old = best.get((name, place.name), (used, clock))
                    best[name, place.name] = min(used, old[0]), min(clock, old[1])
                    check(said.setdefault(name, lines) == lines, f"{name} in {place.name}: {lines} instead of {said[name]}")
        table(names, best)
    finally:
        for m in (qemu, ringbox):
            m.kill()


main(bench)
