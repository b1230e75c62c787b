#!/usr/bin/env python3
"""kills_test.py - the service, a client or a machine's process dies at any instant: settings stay readable, states are true, nothing is left.

RB_KILLS: how many times (default 24); RB_SEED: which instants.
"""
import os
import random
import re
import signal
import time

from manage import check, main

KILLS = int(os.environ.get("RB_KILLS", "24"))
SEED = int(os.environ.get("RB_SEED", "1"))
AT_REST = {"poweroff", "aborted", "saved", "aborted-saved"}


def operation(rng, number):
    """A command that changes something; whether it succeeds does not matter here."""
    return rng.choice((("createvm", "--name", f"x{number}", "--register"), ("modifyvm", "m", "--memory", str(rng.randrange(32, 64))),
                       ("guestproperty", "set", "m", f"/k{number % 9}", str(number)), ("setextradata", "global", f"k{number % 9}", str(number)),
                       ("startvm", "m", "--type", "headless"), ("controlvm", "m", "poweroff"), ("sharedfolder", "add", "m", "--name", f"s{number}",
                        "--hostpath", "/tmp"), ("list", "vms"), ("modifyvm", "m", "--description", "d" * rng.randrange(2000)),
                       ("natnetwork", "add", "--netname", f"n{number}", "--network", "10.3.0.0/24"), ("snapshot", "m", "take", f"s{number}")))


def consistent(h):
    """What must hold after any death."""
    for name in re.findall(r'^"(.*)" \{', h.ok("list", "vms"), re.M):
        check(name != "<inaccessible>", "a machine's settings cannot be read")
        info = h.info(name)
        alive = bool(h.pids("VBoxHeadless"))
        check(info["VMState"] in AT_REST or alive, f"{name} is {info['VMState']} without a process")
    left = [f for top in (h.config, h.vms) for _, _, files in os.walk(top) for f in files if f.endswith("-tmp")]
    check(left == [], f"left: {left}")


def kill_at_any_instant(h):
    rng = random.Random(SEED)
    h.ok("createvm", "--name", "m", "--register")
    h.ok("modifyvm", "m", "--memory", "32", "--vram", "8")
    for number in range(KILLS):
        words = operation(rng, number)
        client = h.popen(*words)
        time.sleep(rng.random() * 0.12)
        victim = rng.choice(("VBoxSVC", "client", "VBoxHeadless"))
        for pid in [client.pid] if victim == "client" else h.pids(victim):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            client.communicate(timeout=60)
            consistent(h)
        except Exception as failure:
            raise type(failure)(f"step {number}, {' '.join(words)}, {victim} killed (RB_SEED={SEED}): {failure}") from failure
    if h.info("m")["VMState"] not in AT_REST:
        h("controlvm", "m", "poweroff")
    h.wait_gone("VBoxHeadless", 10)
    h.wait_gone("VBoxSVC", 15)
    check(h.runtime_files() in ([], ["start.lock"], ["start.lock", "svc.lock"], ["svc.lock"]), f"left: {h.runtime_files()}")


main(kill_at_any_instant)
