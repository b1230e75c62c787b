#!/usr/bin/env python3
"""full_test.py - the folder of a running machine has no room left: its state, settings, snapshots and screenshots are refused, what was there
stays as it was, the machine runs on; and with room again all of it works. One that fills while a snapshot is being deleted: it waits for room.

RB_CYCLES: how often it fills (default 2).
"""
import hashlib
import os
import signal
import subprocess
import sys
import time

from manage import BIN, check, main

MERGED_MIB = 96
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


# ---- a snapshot that is being deleted ----

def tool(*args):
    run = subprocess.run([os.path.join(BIN, "..", "test", "cli", "disk_tool"), *args], capture_output=True, text=True, timeout=60, check=False)
    check(run.returncode == 0, f"disk_tool {args}: {run.stdout}{run.stderr}")
    return run.stdout.strip()


def shown(h, *files):
    """What files in use show: copies of them, as a power cut would leave them."""
    copies = [os.path.join(h.top, f"copy{n}") for n in range(len(files))]
    for file, copy in zip(files, copies):
        subprocess.run(["cp", "--sparse=always", file, copy], check=True)
    found = tool("sum", *(f"VDI:{copy}" for copy in copies))
    for copy in copies:
        os.unlink(copy)
    return found


def wait_for(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while not (found := condition()):
        check(time.monotonic() < end, what)
        time.sleep(0.01)
    return found


def filled_after_beginning(h, folder, base):
    """`snapshot delete`, begun, and no room is left in the folder since then. The machine's process stands still while it is taken."""
    before, process = os.stat(base).st_blocks, h.pids("VBoxHeadless")[0]
    waits = h.popen("snapshot", "m", "delete", "s")
    wait_for(lambda: os.stat(base).st_blocks > before or waits.poll() is not None, "merging does not begin")
    os.kill(process, signal.SIGSTOP)
    fill(os.path.join(folder, "ballast"))
    os.kill(process, signal.SIGCONT)
    return waits


def merging(h):
    """It has begun and there is room no more: it waits, the guest's machine runs, and it goes on by itself; no byte is lost, nothing is left."""
    folder = os.path.join(h.top, "small")
    os.mkdir(folder)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={3 * MERGED_MIB + 40}m", "none", folder], check=True)
    try:
        h.ok("createvm", "--name", "m", "--basefolder", folder, "--register")
        h.ok("modifyvm", "m", "--memory", "32", "--vram", "8", "--nic1", "none")
        h.ok("storagectl", "m", "--name", "SATA", "--add", "sata")
        base = os.path.join(folder, "m", "d.vdi")
        h.ok("createmedium", "--filename", base, "--size", str(2 * MERGED_MIB))
        h.ok("storageattach", "m", "--storagectl", "SATA", "--port", "0", "--device", "0", "--type", "hdd", "--medium", base)
        tool("write", "1", "40", "4096", f"VDI:{base}")
        h.ok("snapshot", "m", "take", "s")
        snapshots = os.path.join(folder, "m", "Snapshots")
        image = os.path.join(snapshots, next(name for name in os.listdir(snapshots) if name.endswith(".vdi")))
        tool("write", "2", str(MERGED_MIB), str(1 << 20), f"VDI:{base}", f"VDI:{image}")
        wanted = tool("sum", f"VDI:{base}", f"VDI:{image}")
        h.ok("startvm", "m", "--type", "headless")
        h.wait_state("m", "running", 30)
        waits = filled_after_beginning(h, folder, base)
        time.sleep(1)
        came = os.stat(base).st_blocks
        time.sleep(3)
        check(waits.poll() is None, "it was over before there was no room, or has not waited")
        check(os.stat(base).st_blocks == came, "there was room")
        state = h.info("m")["VMState"]
        check(state == "deletingsnapshotlive", state)
        check(shown(h, base, image) == wanted, "the chain shows something else while it waits")
        os.unlink(os.path.join(folder, "ballast"))
        out, err = waits.communicate(timeout=60)
        check(waits.returncode == 0, f"{waits.returncode}: {out}{err}")
        check(os.stat(base).st_blocks > came, "nothing was left to do")
        h.wait_state("m", "running", 10)
        h.ok("controlvm", "m", "poweroff")
        h.wait_gone("VBoxHeadless", 10)
        check(tool("sum", f"VDI:{base}") == wanted, "the disk shows something else")
        found = tool("check", f"VDI:{base}")
        check(found == "0 errors, 0 leaks", found)
        check(os.listdir(snapshots) == [], f"left: {os.listdir(snapshots)}")
        with open(os.path.join(folder, "m", "m.vbox"), encoding="utf-8") as f:
            check("PendingOperations" not in f.read(), "something is still pending")
    finally:
        h.stop()
        subprocess.run(["umount", "-l", folder], check=False)


if __name__ == "__main__":
    main(*(globals()[name] for name in sys.argv[1:] or ("full", "merging")))
