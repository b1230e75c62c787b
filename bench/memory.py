"""memory.py - see memory.sh."""
import collections
import os
import re
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(ROOT, "test/guests"))
import debian
import programs
from guest import Machine, main, make

GUEST = ("/memfd:guest RAM", "/memfd:vram", "/memfd:bios", "/memfd:bios-legacy")  # what the guest sees of it
CODE = ("/memfd:code",)


def family(pid):
    """The process and its children."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [pid] + [p for child in f.read().split() for p in family(int(child))]


def resident_kib(pids):
    """By what is mapped: proportional sizes, so that what is shared counts once."""
    kib = collections.Counter()
    for pid in pids:
        with open(f"/proc/{pid}/smaps", encoding="utf-8") as f:
            for line in f:
                if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                    name = (line.split(maxsplit=5) + [""])[5].replace(" (deleted)", "").strip()
                elif line.startswith("Pss:"):
                    kib[name] += int(line.split()[1])
    return kib


def row(what, m):
    kib = resident_kib(family(m.pid))
    guest, code = (sum(kib[n] for n in names) for names in (GUEST, CODE))
    own = sum(v for n, v in kib.items() if n == "" or n.startswith("["))
    rest = sum(kib.values()) - guest - code - own
    print(f"| {what} | {guest / 1024:.0f} | {code / 1024:.1f} | {own / 1024:.1f} | {rest / 1024:.1f} |")


def small():
    m = Machine(make("b-memory"))
    debian.wait_shell(m)
    return m, lambda: m.run("find / -xdev -type f | head -2000 | xargs md5sum > /dev/null", 300)


def with_programs():
    m = Machine(programs.make("b-memory", CPUS=1))
    programs.login(m)
    return m, lambda: [programs.answer(m, f"{programs.WORK} {name}", 1800) for name in ("python", "gcc")]


def bench():
    m, work = with_programs() if os.environ.get("PROGRAMS") else small()
    try:
        print("| MiB | guest's memory | translated code | data | programs and libraries |\n|---|---|---|---|---|")
        row("booted", m)
        work()
        row("has worked", m)
    finally:
        m.kill()


main(bench)
