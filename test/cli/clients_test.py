#!/usr/bin/env python3
"""clients_test.py [OPERATIONS] - 20 clients change two machines at once, each OPERATIONS times (default 8): nothing is lost, nobody
waits for ever, and who loses is told VBOX_E_INVALID_OBJECT_STATE."""
import random
import sys
import threading

from manage import check, main

CLIENTS, OPERATIONS = 20, int(sys.argv[1]) if len(sys.argv) > 1 else 8


def client(h, number, done, wrong):
    dice, last = random.Random(number), {}
    for n in range(OPERATIONS):
        m = dice.choice(("a", "b"))
        what = dice.choice(("extra", "extra", "modify", "show"))
        if what == "extra":
            r = h("setextradata", m, f"k{number}", str(n))
            if r.rc == 0:
                last[m] = str(n)
        elif what == "modify":
            r = h("modifyvm", m, f"--uart{number % 4 + 1}", "0x3f8", str(dice.randrange(1, 16)), "--description", f"{number} {n}")
        else:
            r = h("showvminfo", m, "--machinereadable")
        if r.rc != 0 and "VBOX_E_INVALID_OBJECT_STATE (0x80bb0007)" not in r.err:
            wrong.append(f"{what}: {r}")
    done[number] = last


def many_clients(h):
    for m in ("a", "b"):
        h.ok("createvm", "--name", m, "--register")
    done, wrong = {}, []
    threads = [threading.Thread(target=client, args=(h, k, done, wrong)) for k in range(CLIENTS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check(not wrong, "\n".join(wrong[:3]))
    for number, last in done.items():
        for m, val in last.items():
            got = h.ok("getextradata", m, f"k{number}")
            check(got == f"Value: {val}\n", f"client {number} wrote {val} to {m}; it has {got}")
    check(len(h.pids("VBoxSVC")) == 1, "not one service")


main(many_clients)
