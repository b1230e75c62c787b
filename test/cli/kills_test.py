#!/usr/bin/env python3
"""kills_test.py - the service, a client or a machine's process dies at any instant: settings stay readable, states are true, machines
whose process was spared go on, nothing is left.

RB_KILLS: how many deaths of each (default 8); RB_SEED: which instants. Counted are processes that were alive when they were killed.
"""
import os
import random
import re
import signal
import time

from manage import check, main

KILLS = int(os.environ.get("RB_KILLS", "8"))
SEED = int(os.environ.get("RB_SEED", "1"))
VICTIMS = ("VBoxSVC", "client", "VBoxHeadless")
AT_REST = {"poweroff", "aborted", "saved", "aborted-saved"}
LONGEST = 0.15  # seconds from a command's start to the death


def operation(rng, number):
    """A command that changes something; whether it succeeds does not matter here."""
    few = number % 5
    return rng.choice((("createvm", "--name", f"x{few}", "--register"), ("unregistervm", f"x{few}", "--delete"),
                       ("modifyvm", "m", "--memory", str(rng.randrange(32, 64))), ("modifyvm", "m", "--description", "d" * rng.randrange(2000)),
                       ("guestproperty", "set", "m", f"/k{few}", str(number)), ("setextradata", "global", f"k{few}", str(number)),
                       ("startvm", "m", "--type", "headless"), ("controlvm", "m", "poweroff"), ("controlvm", "m", "savestate"),
                       ("controlvm", "m", "pause"), ("controlvm", "m", "reset"), ("discardstate", "m"), ("list", "vms"),
                       ("sharedfolder", "add", "m", "--name", f"s{few}", "--hostpath", "/tmp"), ("sharedfolder", "remove", "m", "--name", f"s{few}"),
                       ("natnetwork", "add", "--netname", f"n{few}", "--network", "10.3.0.0/24"), ("natnetwork", "remove", "--netname", f"n{few}"),
                       ("snapshot", "m", "take", f"s{few}"), ("snapshot", "m", "delete", f"s{few}"), ("snapshot", "m", "restore", f"s{few}")))


def kill(pid):
    """Whether it was there to be killed."""
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


def strike(h, victim, client):
    if victim == "client":
        return client.poll() is None and kill(client.pid)
    return any([kill(pid) for pid in h.pids(victim)])


def check_state(h, name):
    """A machine that is not at rest has a process; who has just lost it is told so within a second."""
    end = time.monotonic() + 1
    while (state := h.info(name)["VMState"]) not in AT_REST and not h.pids("VBoxHeadless"):
        check(time.monotonic() < end, f"{name} is {state} without a process")
    if name == "m" and state in AT_REST:
        check(not h.pids("VBoxHeadless"), f"{name} is {state}, and its process runs")


def consistent(h):
    """What must hold after any death."""
    for name in re.findall(r'^"(.*)" \{', h.ok("list", "vms"), re.M):
        check(name != "<inaccessible>", "a machine's settings cannot be read")
        check_state(h, name)
    left = [f for top in (h.config, h.vms) for _, _, files in os.walk(top) for f in files if f.endswith("-tmp")]
    check(left == [], f"left: {left}")


def step(h, rng, number, victim):
    """One command, one death. Return: whether somebody died."""
    if victim == "VBoxHeadless" and rng.random() < 0.9 and not h.pids("VBoxHeadless"):
        h("startvm", "m", "--type", "headless")
    words = operation(rng, number)
    running = h.pids("VBoxHeadless")
    client = h.popen(*words)
    time.sleep(rng.random() ** 3 * LONGEST)  # a command takes 10 to 100 ms
    try:
        hit = strike(h, victim, client)
        client.communicate(timeout=60)
        consistent(h)
        if victim != "VBoxHeadless" and words[2:] not in (("poweroff",), ("savestate",)):
            check(set(running) <= set(h.pids("VBoxHeadless")), "the machine ended with another's death")
    except Exception as failure:
        raise type(failure)(f"step {number}, {' '.join(words)}, {victim} killed (RB_SEED={SEED}): {failure}") from failure
    return hit


def kill_at_any_instant(h):
    rng, deaths, number = random.Random(SEED), dict.fromkeys(VICTIMS, 0), 0
    h.ok("createvm", "--name", "m", "--register")
    h.ok("modifyvm", "m", "--memory", "32", "--vram", "8")
    while min(deaths.values()) < KILLS:
        check(number < 20 * KILLS, f"after {number} commands: {deaths}")
        victim = rng.choice([v for v in VICTIMS if deaths[v] < KILLS])
        deaths[victim] += step(h, rng, number, victim)
        number += 1
    print(f"# {number} commands; killed: " + ", ".join(f"{n} x {v}" for v, n in deaths.items()), flush=True)
    if h.info("m")["VMState"] not in AT_REST:
        h("controlvm", "m", "poweroff")
    h.wait_gone("VBoxHeadless", 10)
    h.wait_gone("VBoxSVC", 15)
    check(h.runtime_files() in ([], ["start.lock"], ["start.lock", "svc.lock"], ["svc.lock"]), f"left: {h.runtime_files()}")


main(kill_at_any_instant)
