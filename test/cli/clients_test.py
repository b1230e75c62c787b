#!/usr/bin/env python3
"""clients_test.py [OPERATIONS] - 20 clients change two machines at once, each OPERATIONS times (default 8): what they all write and read
is linearisable, nothing is lost, nobody waits for ever, and who loses is told VBOX_E_INVALID_OBJECT_STATE."""
import random
import re
import sys
import threading
import time

from manage import check, main
from register import Op, violation

CLIENTS, OPERATIONS = 20, int(sys.argv[1]) if len(sys.argv) > 1 else 8
REGISTERS = ("a", "b", "global")


class Client:
    """One client's operations; what it saw is read when its thread has ended."""

    def __init__(self, h, number):
        self.h, self.number, self.dice = h, number, random.Random(number)
        self.last, self.wrong, self.history = {}, [], {name: [] for name in REGISTERS}
        self.thread = threading.Thread(target=self.run)

    def run(self):
        for n in range(OPERATIONS):
            what = self.dice.choice((self.own, self.write, self.write, self.read, self.read, self.modify, self.show))
            r = what(n)
            if r.rc != 0 and "VBOX_E_INVALID_OBJECT_STATE (0x80bb0007)" not in r.err:
                self.wrong.append(f"{what.__name__}: {r}")

    def own(self, n):
        """A key only this client writes."""
        m = self.dice.choice(("a", "b"))
        r = self.h("setextradata", m, f"k{self.number}", str(n))
        if r.rc == 0:
            self.last[m] = str(n)
        return r

    def register(self, kind, value, *words):
        name = self.dice.choice(REGISTERS)
        start = time.monotonic()
        r = self.h(words[0], name, *words[1:])
        end = time.monotonic()
        if kind == "read":
            got = re.fullmatch(r"Value: (.*)\n", r.out)
            value = got.group(1) if got else None
        if r.rc == 0:
            self.history[name].append(Op(kind, value, start, end))
        return r

    def write(self, n):
        value = f"{self.number}.{n}"
        return self.register("write", value, "setextradata", "shared", value)

    def read(self, _):
        return self.register("read", None, "getextradata", "shared")

    def modify(self, n):
        return self.h("modifyvm", self.dice.choice(("a", "b")), f"--uart{self.number % 4 + 1}", "0x3f8", str(self.dice.randrange(1, 16)),
                      "--description", f"{self.number} {n}")

    def show(self, _):
        return self.h("showvminfo", self.dice.choice(("a", "b")), "--machinereadable")


def many_clients(h):
    for m in ("a", "b"):
        h.ok("createvm", "--name", m, "--register")
    clients = [Client(h, k) for k in range(CLIENTS)]
    for c in clients:
        c.thread.start()
    for c in clients:
        c.thread.join()
    wrong = [text for c in clients for text in c.wrong]
    check(not wrong, "\n".join(wrong[:3]))
    for c in clients:
        for m, val in c.last.items():
            got = h.ok("getextradata", m, f"k{c.number}")
            check(got == f"Value: {val}\n", f"client {c.number} wrote {val} to {m}; it has {got}")
    for name in REGISTERS:
        history = [op for c in clients for op in c.history[name]]
        reads = sum(op.kind == "read" for op in history)
        print(f"# register of {name}: {reads} reads, {len(history) - reads} writes", flush=True)
        why = violation(history)
        check(why is None, f"the register of {name} is not linearisable: {why}")
    check(len(h.pids("VBoxSVC")) == 1, "not one service")


def the_check_itself(_):
    """Histories that are linearisable, and some that are not."""
    def ops(*rows):
        return [Op("write" if kind == "w" else "read", value, start, end) for kind, value, start, end in rows]
    good = (ops(("r", None, 0, 1), ("w", "x", 2, 3), ("r", "x", 4, 5)), ops(("w", "x", 0, 9), ("r", None, 1, 2), ("r", "x", 3, 4)),
            ops(("w", "x", 0, 9), ("w", "y", 0, 9), ("r", "y", 1, 2), ("r", "x", 3, 4)), ops(("w", "x", 0, 5), ("r", "x", 1, 2), ("w", "y", 3, 8), ("r", "x", 4, 6)))
    bad = {"a value nobody wrote": ops(("r", "x", 0, 1)),
           "a read before the write": ops(("r", "x", 0, 1), ("w", "x", 2, 3)),
           "a lost update": ops(("w", "x", 0, 1), ("r", None, 2, 3)),
           "a stale read": ops(("w", "x", 0, 1), ("w", "y", 2, 3), ("r", "x", 4, 5)),
           "new, then old": ops(("w", "x", 0, 1), ("w", "y", 2, 9), ("r", "y", 3, 4), ("r", "x", 5, 6)),
           "there and back": ops(("w", "x", 0, 9), ("w", "y", 0, 9), ("r", "x", 1, 2), ("r", "y", 3, 4), ("r", "x", 5, 6))}
    for history in good:
        check(violation(history) is None, f"{history}: {violation(history)}")
    for what, history in bad.items():
        check(violation(history) is not None, f"{what} was not seen")


main(the_check_itself, many_clients)
