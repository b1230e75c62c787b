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
from monitor import Monitor, address

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
    return own


def parts_kib(gdb):
    """Data by what it is for, as far as the engines know (the first processor's)."""
    with Monitor(gdb) as monitor:
        text = monitor.ask("info memory 0")
    return {name: int(kib) for kib, name in re.findall(r"(\d+) KiB  (.+)", text)}


def parts_table(own, parts):
    print("\n| data, MiB | booted | has worked |\n|---|---|---|")
    for name in sorted(parts[1], key=lambda n: -parts[1][n]):
        print(f"| {name} | {parts[0][name] / 1024:.1f} | {parts[1][name] / 1024:.1f} |")
    left = [(o - sum(p.values())) / 1024 for o, p in zip(own, parts)]
    print(f"| everything else | {left[0]:.1f} | {left[1]:.1f} |")


def small(gdb):
    m = Machine(make("b-memory"), "--gdb", gdb)
    debian.wait_shell(m)
    return m, lambda: m.run("find / -xdev -type f | head -2000 | xargs md5sum > /dev/null", 300)


def with_programs(gdb):
    m = Machine(programs.make("b-memory", CPUS=1), "--gdb", gdb)
    programs.login(m)
    return m, lambda: [programs.answer(m, f"{programs.WORK} {name}", 1800) for name in ("python", "gcc")]


def bench():
    gdb = address()
    m, work = with_programs(gdb) if os.environ.get("PROGRAMS") else small(gdb)
    try:
        print("| MiB | guest's memory | translated code | data | programs and libraries |\n|---|---|---|---|---|")
        own, parts = [row("booted", m)], [parts_kib(gdb)]
        work()
        own.append(row("has worked", m))
        parts.append(parts_kib(gdb))
        parts_table(own, parts)
    finally:
        m.kill()


main(bench)
