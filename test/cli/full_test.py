#!/usr/bin/env python3
"""full_test.py - the folder of a running machine has no room left: its state, settings, snapshots and screenshots are refused, what was there
stays as it was, the machine runs on; and with room again all of it works.

RB_CYCLES: how often it fills (default 2).
"""
import hashlib
import os
import subprocess
import sys

from manage import check, main

CYCLES = int(os.environ.get("RB_CYCLES", "2"))

if os.geteuid() != 0 and "RB_NAMESPACE" not in os.environ:  # mounting needs a namespace of its own
    os.execvp("unshare", ["unshare", "--mount", "--map-root-user", "env", "RB_NAMESPACE=1", *sys.argv])


def fill(path):
    with open(path, "wb", buffering=0) as f:
        for piece in (1 << 20, 4096, 1):
            try:
                while True:
                    f.write(bytes(piece))
            except OSError:
                pass


def files(folder):
    """Everything but the log and the ballast."""
    found = {}
    for top, _, names in os.walk(folder):
        for name in names:
            if name != "ballast" and not top.endswith("Logs"):
                with open(os.path.join(top, name), "rb") as f:
                    found[os.path.join(top, name)] = hashlib.sha256(f.read()).hexdigest()
    return found


def cycle(h, folder, number):
    ballast, picture = os.path.join(folder, "ballast"), os.path.join(folder, "screen.png")
    value = "v" * 20000 + str(number)  # more than what is left of a page
    fill(ballast)
    before = files(folder)
    for words in (("controlvm", "m", "savestate"), ("setextradata", "m", "key", value), ("snapshot", "m", "take", f"s{number}"),
                  ("controlvm", "m", "screenshotpng", picture)):
        r = h(*words)
        check(r.rc == 1 and any(reason in r.err for reason in ("DISK_FULL", "No space left", "not enough room")), f"cycle {number}: {words[:3]}: {r}")
        after = files(folder)
        check(after == before, f"cycle {number}: {words[:3]}: {set(before) ^ set(after)} or what is in them changed")
        check(h.info("m")["VMState"] == "running", f"cycle {number}: {words[:3]}: {h.info('m')['VMState']}")
    h.ok("controlvm", "m", "pause")  # which the log cannot tell
    h.ok("controlvm", "m", "resume")
    os.unlink(ballast)
    h.ok("setextradata", "m", "key", value)
    check(h.ok("getextradata", "m", "key") == f"Value: {value}\n", "another value")
    h.ok("controlvm", "m", "screenshotpng", picture)
    os.unlink(picture)
    h.ok("controlvm", "m", "savestate")
    h.ok("startvm", "m", "--type", "headless")
    h.wait_state("m", "running", 30)


def full(h):
    folder = os.path.join(h.top, "small")
    os.mkdir(folder)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", folder], check=True)
    try:
        h.ok("createvm", "--name", "m", "--basefolder", folder, "--register")
        h.ok("modifyvm", "m", "--memory", "32", "--vram", "8", "--nic1", "none")
        h.ok("storagectl", "m", "--name", "SATA", "--add", "sata")
        disk = os.path.join(folder, "m", "d.vdi")
        h.ok("createmedium", "--filename", disk, "--size", "8")
        h.ok("storageattach", "m", "--storagectl", "SATA", "--port", "0", "--device", "0", "--type", "hdd", "--medium", disk)
        h.ok("startvm", "m", "--type", "headless")
        h.wait_state("m", "running", 30)
        for number in range(CYCLES):
            cycle(h, folder, number)
        h.ok("controlvm", "m", "poweroff")
        print(f"# {CYCLES} times full", flush=True)
    finally:
        h.stop()
        subprocess.run(["umount", "-l", folder], check=False)


main(full)
