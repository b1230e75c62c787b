#!/usr/bin/env python3
"""saved_test.py - saved states of whole machines: another configuration, damage, deaths while saving and restoring, a full disk; what
comes back is what was saved.

Whatever goes wrong: the reason is told, the state and the disks stay as they were, and the good state still works afterwards.
RB_POINTS: damages, deaths and states compared (default 8 each); RB_SEED.
"""
import hashlib
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

from manage import BIN, ROOT, Failure, check, main

sys.path.insert(0, os.path.join(ROOT, "test", "guests"))
from monitor import Monitor  # noqa: E402

POINTS = int(os.environ.get("RB_POINTS", "8"))
SEED = int(os.environ.get("RB_SEED", "1"))
LONGEST = 0.25  # seconds from a command's start to a death
HEADER, UNIT, TRAILER = 80, 88, 48  # bytes; src/vmm/ssm/file_int.h
INTR_HINT = 12  # from a processor's end: the pending flags; src/vmm/vm/save.c
CRC_TABLE = []
for number in range(256):  # Castagnoli
    for _ in range(8):
        number = number >> 1 ^ (0x82f63b78 if number & 1 else 0)
    CRC_TABLE.append(number)


def sha(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xffffffff


class Saved:
    """A machine with a disk, and its saved state."""

    def __init__(self, h, name="m"):
        self.h, self.name, self.disk = h, name, os.path.join(h.top, name + ".vdi")
        h.ok("createvm", "--name", name, "--register")
        h.ok("modifyvm", name, "--memory", "32", "--vram", "8", "--nic1", "none", "--uart1", "0x3f8", "4", "--uartmode1", "disconnected")
        h.ok("storagectl", name, "--name", "SATA", "--add", "sata")
        h.ok("createmedium", "--filename", self.disk, "--size", "8")
        self.attach(self.disk)
        self.start()
        self.save()

    def attach(self, medium):
        self.h.ok("storageattach", self.name, "--storagectl", "SATA", "--port", "0", "--device", "0", "--type", "hdd", "--medium", medium)

    def state(self):
        return self.h.info(self.name)["VMState"]

    def start(self):
        self.h.ok("startvm", self.name, "--type", "headless")
        self.h.wait_state(self.name, "running", 30)

    def save(self):
        self.h.ok("controlvm", self.name, "savestate")
        self.path = self.find()

    def find(self):
        """The saved state's file; None: there is none."""
        folder = os.path.join(self.h.vms, self.name, "Snapshots")
        found = [f for f in os.listdir(folder) if f.endswith(".sav")] if os.path.exists(folder) else []
        check(len(found) <= 1, f"{found}")
        return os.path.join(folder, found[0]) if found else None

    def refused(self, reason, what):
        """It does not start, says why, and nothing has changed."""
        before = sha(self.path), sha(self.disk)
        r = self.h("startvm", self.name, "--type", "headless")
        check(r.rc == 1 and re.search(reason, r.err), f"{what}: {r}")
        check(self.state() == "saved" and (sha(self.path), sha(self.disk)) == before, f"{what}: the state was not kept: {self.state()}")
        self.h.wait_gone("VBoxHeadless", 10)

    def put_aside(self):
        """The state without the machine: what it is made of does not change while it is saved."""
        kept = os.path.join(self.h.top, self.name + ".sav")
        shutil.copy(self.path, kept + "-new")
        self.h.ok("discardstate", self.name)
        os.replace(kept + "-new", kept)
        self.path = kept

    def goes_on(self):
        self.start()
        check(self.find() is None, "the state is still there")
        self.save()


def fixed(data, change):
    """The file with its units' headers changed by change(name, version) -> version, and all sums right."""
    out, at, digest = bytearray(data), HEADER, hashlib.sha256(data[:HEADER])
    while at < len(data) - TRAILER:
        name, (version, size) = data[at + 8:at + 72].rstrip(b"\0").decode(), struct.unpack_from("<II", data, at + 76)
        struct.pack_into("<I", out, at + 76, change(name, version))
        struct.pack_into("<I", out, at + 84, crc32c(out[at:at + 84]))
        digest.update(out[at:at + UNIT])
        digest.update(out[at + UNIT + size:at + UNIT + size + 4])
        at += UNIT + size + 4
    digest.update(out[at:at + 16])
    out[at + 16:at + 48] = digest.digest()
    return bytes(out)


def newer_format(data):
    header = bytearray(data[:HEADER])
    struct.pack_into("<I", header, 32, struct.unpack_from("<I", header, 32)[0] + 1)
    struct.pack_into("<I", header, 76, crc32c(header[:76]))
    return bytes(header) + data[HEADER:]


def changed(h):
    """Another configuration: refused, until it is the old one again."""
    m = Saved(h)
    other = os.path.join(h.top, "other.vdi")
    h.ok("createmedium", "--filename", other, "--size", "8")
    attach = ("storageattach", "m", "--storagectl", "SATA", "--port", "0", "--device", "0", "--type", "hdd", "--medium")
    cases = (
        ("more memory", ("modifyvm", "m", "--memory", "40"), ("modifyvm", "m", "--memory", "32")),
        ("less memory", ("modifyvm", "m", "--memory", "24"), ("modifyvm", "m", "--memory", "32")),
        ("video memory", ("modifyvm", "m", "--vram", "16"), ("modifyvm", "m", "--vram", "8")),
        ("processors", ("modifyvm", "m", "--cpus", "2"), ("modifyvm", "m", "--cpus", "1")),
        ("a disk is missing", (*attach, "none"), (*attach, m.disk)),
        ("a disk too many", ("storageattach", "m", "--storagectl", "SATA", "--port", "1", "--device", "0", "--type", "hdd", "--medium", other),
         ("storageattach", "m", "--storagectl", "SATA", "--port", "1", "--device", "0", "--type", "hdd", "--medium", "none")),
        ("another disk", (*attach, other), (*attach, m.disk)),
        ("another controller", ("storagectl", "m", "--name", "more", "--add", "scsi"), ("storagectl", "m", "--name", "more", "--remove")),
        ("firmware", ("modifyvm", "m", "--firmware", "efi"), ("modifyvm", "m", "--firmware", "bios")),
        ("a device is missing", ("modifyvm", "m", "--uart1", "off"), ("modifyvm", "m", "--uart1", "0x3f8", "4")),
        ("a device too many", ("modifyvm", "m", "--uart2", "0x2f8", "3"), ("modifyvm", "m", "--uart2", "off")),
        ("a device's line", ("modifyvm", "m", "--uart1", "0x3f8", "5"), ("modifyvm", "m", "--uart1", "0x3f8", "4")),
        ("an APIC", ("modifyvm", "m", "--ioapic", "on"), ("modifyvm", "m", "--ioapic", "off")),
        ("high precision timer", ("modifyvm", "m", "--hpet", "on"), ("modifyvm", "m", "--hpet", "off")),
    )
    for what, do, undo in cases:
        m.put_aside()
        h.ok(*do)
        h.ok("adoptstate", "m", m.path)
        m.refused("belongs to another configuration|made with another disk", what)
        m.put_aside()
        h.ok(*undo)
        h.ok("adoptstate", "m", m.path)
    with open(m.path, "rb") as f:
        good = f.read()
    versions = (("a newer format", newer_format(good), "format 3; this program reads format 2"),
                ("a newer device", fixed(good, lambda name, v: v + (name == "ahci")), "ahci"),
                ("newer processors", fixed(good, lambda name, v: v + (name == "cpum")), "cpum"))
    check(fixed(good, lambda name, v: v) == good, "the file is not as described")
    for what, data, reason in versions:
        with open(m.path, "wb") as f:
            f.write(data)
        m.refused(reason, what)
    with open(m.path, "wb") as f:
        f.write(good)
    m.goes_on()
    print(f"# {len(cases) + len(versions) + other_machine(h, m)} cases", flush=True)


def other_machine(h, m):
    """Another machine's state: of the same make, but its disk is another one."""
    n = Saved(h, "n")
    copy = os.path.join(h.top, "of-m.sav")
    shutil.copy(m.path, copy)
    h.ok("discardstate", "n")
    h.ok("adoptstate", "n", copy)
    n.path = copy
    n.refused("made with another disk", "another machine")
    return 1


def damaged(h):
    """A bit, some bytes, or the end of the file."""
    m, rng = Saved(h), random.Random(SEED)
    with open(m.path, "rb") as f:
        good = f.read()
    for number in range(POINTS):
        bad = bytearray(good)
        if number % 3 == 0:
            del bad[rng.randrange(len(good)) & -4096:]
        for _ in range((0, 1, 3)[number % 3]):
            at = rng.choice((rng.randrange(HEADER), len(good) - 1 - rng.randrange(TRAILER), rng.randrange(len(good))))
            bad[at] ^= 1 << rng.randrange(8)
        with open(m.path, "wb") as f:
            f.write(bad)
        m.refused("VERR_SSM|saved state", f"damage {number} of seed {SEED}")
    with open(m.path, "wb") as f:
        f.write(good)
    m.goes_on()
    print(f"# {POINTS} damaged states", flush=True)


def kill_all(h, program):
    for pid in h.pids(program):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def killed(h):
    """The machine's process dies while a state is saved or restored, the service while it lies there."""
    m, rng, ends = Saved(h), random.Random(SEED), {}
    for number in range(POINTS):
        saving, what = number % 2 == 1, f"death {number} of seed {SEED}"
        kill_all(h, "VBoxSVC")
        check(m.state() == "saved" and m.find() == m.path, f"{what}: {m.state()}")
        if saving:
            m.start()
        before = None if saving else sha(m.path)
        client = h.popen(*(("controlvm", "m", "savestate") if saving else ("startvm", "m", "--type", "headless")))
        time.sleep(rng.random() * LONGEST)
        kill_all(h, "VBoxHeadless")
        client.communicate(timeout=60)
        end = time.monotonic() + 30
        while (state := m.state()) not in ("saved", "aborted-saved", "aborted"):
            kill_all(h, "VBoxHeadless")  # it was not there yet
            check(time.monotonic() < end, f"{what}: {state}")
        there = m.find()
        check((there is not None) == (state in ("saved", "aborted-saved")), f"{what}: {state}, but {there}")
        check(saving or there is None or sha(there) == before, f"{what}: another state")
        ends[state] = ends.get(state, 0) + 1
        m.start()
        m.save()
        left = os.listdir(os.path.dirname(m.path))
        check(left == [os.path.basename(m.path)], f"{what}: left: {left}")
    print(f"# {POINTS} deaths: {ends}", flush=True)


def units(data):
    """(name, instance, payload) of each. A processor's hint to ask the controllers for interrupts is set by every loading."""
    at, found = HEADER, []
    while at < len(data) - TRAILER:
        name, size = data[at + 8:at + 72].rstrip(b"\0").decode(), struct.unpack_from("<I", data, at + 80)[0]
        payload = bytearray(data[at + UNIT:at + UNIT + size])
        if name == "cpum":
            payload[-INTR_HINT] |= 1
        found.append((name, struct.unpack_from("<I", data, at + 72)[0], payload))
        at += UNIT + size + 4
    return found


def headless(h, vbox, state, gdb, *more):
    return subprocess.Popen([os.path.join(BIN, "VBoxHeadless"), "--startvm", vbox, "--state", state, "--gdb", gdb, *more], env=h.env,
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def saved_by(h, vbox, state, to, seconds):
    """Continues from a state, runs for some time (None: not at all), saves."""
    gdb = os.path.join(h.top, "gdb")
    process = headless(h, vbox, state, gdb, *(["--start-paused"] if seconds is None else []))
    try:
        if seconds is not None:
            with Monitor(gdb):
                pass
            time.sleep(seconds)
        with Monitor(gdb) as monitor:
            end = time.monotonic() + 60
            while "State saved" not in (answer := monitor.ask(f"savestate {to}", 60)):
                check("is CREATING" in answer and time.monotonic() < end, answer)  # it is not there yet
                time.sleep(0.05)
            process.kill()
    except Failure as failure:
        process.kill()
        raise Failure(f"{failure}: {process.communicate()[1]}") from failure
    process.communicate(timeout=30)
    if os.path.exists(gdb):
        os.unlink(gdb)


def same(h):
    """Saved, restored, saved again without a step in between: byte by byte the same."""
    m, rng = Saved(h), random.Random(SEED)
    paths = [os.path.join(h.vms, "m", name) for name in ("one.sav", "two.sav", "three.sav")]
    shutil.copy(m.path, paths[0])
    h.ok("discardstate", "m")
    vbox = os.path.join(h.vms, "m", "m.vbox")
    for number in range(POINTS):
        saved_by(h, vbox, paths[0], paths[1], rng.random() * 0.3)
        saved_by(h, vbox, paths[1], paths[2], None)
        with open(paths[1], "rb") as one, open(paths[2], "rb") as two:
            a, b = units(one.read()), units(two.read())
        check([u[:2] for u in a] == [u[:2] for u in b], f"point {number} of seed {SEED}: other units")
        for (name, instance, x), (_, _, y) in zip(a, b):
            differ = [] if x == y else [(at, p, q) for at, (p, q) in enumerate(zip(x, y)) if p != q]
            check(x == y, f"point {number} of seed {SEED}: unit {name} {instance} of {len(x)} and {len(y)} bytes: {differ[:20]}")
        os.replace(paths[1], paths[0])
    print(f"# {POINTS} states compared", flush=True)


main(*(globals()[name] for name in sys.argv[1:] or ("changed", "damaged", "killed", "same")))
