#!/usr/bin/env python3
"""teleport_disks_test.py - a machine takes its disk's contents along while its guest writes to it; either side is killed at any moment, and exactly one goes on.

The guest is writer.S: it checks every sector it wrote. What the disks hold afterwards is checked here, too.
"""
import os
import random
import re
import socket
import struct
import subprocess
import time

from api_test import ROOT, SESSION, Api, object_of
from manage import Home, check, main
from teleport_test import HERE, PASSWORD, UUID, Side, ends, port

MIB, DISK_MIB, MIX = 1 << 20, 96, 0x5AA5C33C
SECTORS, FIRST, STRIDE = 256, 64, 64
RANDOM_AT, RANDOM_MIB = 32 * MIB, 48
NOISE = random.Random(11).randbytes(RANDOM_MIB * MIB)


def disk_of(h, name="writer.vdi", mib=DISK_MIB, uuid=None):
    """The boot sector and something that does not pack, as a disk of the home's own."""
    parts = [os.path.join(h.top, n) for n in ("w.o", "w.bin", "w.raw", name)]
    subprocess.run(["as", "--32", os.path.join(HERE, "writer.S"), "-o", parts[0]], check=True)
    subprocess.run(["ld", "-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary", "-o", parts[1], parts[0]], check=True)
    with open(parts[1], "rb") as f, open(parts[2], "wb") as to:
        to.write(f.read())
        to.seek(RANDOM_AT)
        to.write(NOISE)
        to.truncate(mib * MIB)
    h.ok("convertfromraw", parts[2], parts[3], *(["--uuid", uuid] if uuid else []))
    os.unlink(parts[2])
    return parts[3]


def target_disk(h, mib=DISK_MIB):
    """Not empty: what is there and is zeros at the source has to go."""
    path, raw = os.path.join(h.top, "copy.vdi" if mib == DISK_MIB else "small.vdi"), os.path.join(h.top, "copy.raw")
    with open(raw, "wb") as f:
        f.truncate(mib * MIB)
        for at in (20 * MIB, 85 * MIB):
            f.seek(at)
            f.write(b"old" * 100000)
    h.ok("convertfromraw", raw, path)
    os.unlink(raw)
    return path


def content(h, disk):
    """What the guest's sectors hold, by number, after all that is not the guest's was compared; the disk is not locked."""
    raw = os.path.join(h.top, "content.raw")
    h.ok("clonemedium", "disk", disk, raw, "--format", "RAW", seconds=120)
    h.ok("closemedium", "disk", raw)
    with open(raw, "rb") as f:
        data = f.read()
    os.unlink(raw)
    check(len(data) == DISK_MIB * MIB, f"{disk} has {len(data)} bytes")
    check(data[RANDOM_AT:RANDOM_AT + RANDOM_MIB * MIB] == NOISE, f"{disk}: what the guest did not write has changed")
    counts = {}
    for n in range(SECTORS):
        at = 512 * (FIRST + STRIDE * n)
        sector = data[at:at + 512]
        count, number, mixed = struct.unpack("<II500xI", sector)
        if sector.strip(b"\0"):
            check(number == n and mixed == count ^ n ^ MIX, f"{disk}: sector {n} is damaged: {count} {number} {mixed:x}")
            counts[n] = count
        check(not data[at + 512:at + 512 * STRIDE].strip(b"\0"), f"{disk}: beside sector {n} is something")
    check(not data[RANDOM_AT + RANDOM_MIB * MIB:].strip(b"\0") and not data[16 * MIB:RANDOM_AT].strip(b"\0"), f"{disk}: zeros were not copied")
    return counts


def moves(h):
    """There and back, and once more with a chain; the guest writes all the time."""
    with Home() as other:
        a, b = Side(h, disk_of(h)), Side(other, target_disk(other))
        disks = {a: os.path.join(h.top, "writer.vdi"), b: os.path.join(other.top, "copy.vdi")}
        a.start()
        check(a.goes_on(60), "the guest does not count")
        for _ in range(2):
            b.start(waits=True)
            left = a.counted()
            run = a.go(b)
            err = run.communicate(timeout=200)[1]
            check(run.returncode == 0, f"teleport: {err}\n{a.log()[-2000:]}\n{b.log()[-2000:]}")
            check(b.goes_on(60), f"it does not go on there\n{b.log()[-2000:]}")
            check(b.counted() >= left, "it began anew")
            a.h.wait_gone("VBoxHeadless", 30)
            told = re.findall(r"Teleport: (\d+) MiB of disks were copied in (\d+) ms, ([\d.]+) MiB again", a.log())
            check(told and int(told[0][0]) == DISK_MIB and float(told[0][2]) > 0, f"nothing was copied: {a.log()[-2000:]}")
            print(f"# {told[0][0]} MiB in {told[0][1]} ms, {told[0][2]} MiB again; the guest stood still for "
                  f"{re.findall(r'stood still for ([0-9]+) ms', a.log())[0]} ms")
            check(re.search(r"Teleport: disks: 50% of 96 MiB", a.log()), "the log does not say how far it is")
            before = content(a.h, disks[a])
            check(a.state() == "poweroff" and b.state() == "running", f"{a.state()}, {b.state()}")
            check(before and b.goes_on(60), "it does not go on")
            a, b = b, a
        last = a.counted()
        a.off()
        there = content(a.h, disks[a])
        check(there != before and set(there) >= set(before) and all(there[n] >= before[n] for n in before), "the copy is older than the disk")
        check(max(there.values()) >= last - 8, f"the guest had written {last}, the disk has {max(there.values())}")


def percents(h, to):
    """IConsole.Teleport through a connection of its own: every percent its progress was at until it ended well."""
    api, node = Api(h), UUID.replace("-", "_")
    api.call(f"{ROOT}/machine/{node}", "IMachine", "LockMachine", f"(objectpath '{SESSION}', 'Shared')")
    work = object_of(api.call(f"{ROOT}/console/{node}", "IConsole", "Teleport", f"('127.0.0.1', uint32 {to.port}, '{PASSWORD}', uint32 250, uint32 0)"))
    seen = [0]
    while True:
        percent, done, result, text = re.fullmatch(r"\((?:uint32 )?(\d+), (true|false), (-?\d+), ['\"](.*)['\"]\)",
                                                   api.call(work, "IProgress", "WaitForChange", f"(uint32 {seen[-1]},)")).groups()
        seen.append(int(percent))
        if done == "true":
            break
    api.close()
    check(result == "0", text)
    return seen


def chain_moves(h):
    """A snapshot at the target: what comes goes into the last image, and only what differs from the base. The progress says how far it is."""
    with Home() as other:
        a, b = Side(h, disk_of(h)), Side(other, disk_of(other))
        b.h.ok("snapshot", "m", "take", "s")
        base = os.path.join(other.top, "writer.vdi")
        with open(base, "rb") as f:
            was = f.read()
        a.start()
        check(a.goes_on(60), "the guest does not count")
        b.start(waits=True)
        seen = percents(h, b)
        check(len(seen) > 2 and seen[-1] == 100 and seen == sorted(seen), f"the progress was at {seen}")
        check(b.goes_on(60), f"teleport: {a.log()[-2000:]}\n{b.log()[-2000:]}")
        print("# percent: " + " ".join(map(str, seen)))
        b.off()
        with open(base, "rb") as f:
            check(f.read() == was, "the base image has changed")
        folder = os.path.join(other.vms, "m", "Snapshots")
        (last,) = [os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".vdi")]
        check(os.path.getsize(last) < 24 * MIB, f"the last image has {os.path.getsize(last) // MIB} MiB, though little differs")
        check(content(b.h, last), "the guest's sectors are not there")


def refused(h):
    """What does not fit is refused before anything is changed; a stream that is none costs nothing."""
    with Home() as other:
        a, small = Side(h, disk_of(h)), target_disk(other, 95)
        b = Side(other, small)
        with open(small, "rb") as f:
            was = f.read()
        a.start()
        b.start(waits=True)
        run = a.go(b)
        err = run.communicate(timeout=60)[1]
        check(run.returncode == 1 and f"has {96 * MIB} bytes at the source, {95 * MIB} at the target" in err, err)
        b.h.ok("controlvm", "m", "poweroff")
        b.h.wait_gone("VBoxHeadless", 30)
        with open(small, "rb") as f:
            check(f.read() == was, "it was refused, and has changed")
        b.h.ok("storageattach", "m", "--storagectl", "IDE", "--port", "0", "--device", "0", "--type", "hdd", "--medium", "none")
        b.h.ok("storageattach", "m", "--storagectl", "IDE", "--port", "0", "--device", "0", "--type", "hdd", "--medium", target_disk(other))
        iso = os.path.join(other.top, "a.iso")
        for s, text in ((b, b"one1"), (a, b"two2")):
            with open(os.path.join(s.h.top, "a.iso"), "wb") as f:
                f.write(text * 16384)
        print("# " + err.strip().splitlines()[-1])
        a.off()
        for s in (a, b):
            s.h.ok("storageattach", "m", "--storagectl", "IDE", "--port", "1", "--device", "0", "--type", "dvddrive", "--medium", os.path.join(s.h.top, "a.iso"))
        a.start()
        b.start(waits=True)
        with socket.create_connection(("127.0.0.1", int(b.port))) as s:  # is no teleport
            s.sendall(b"\x16\x03\x01" + bytes(200))
        for text, what in (("is not copied, being read-only", "other"), (None, "the same")):
            run = a.go(b)
            err = run.communicate(timeout=200)[1]
            check((run.returncode == 1 and text in err) if text else run.returncode == 0, f"{what} disc: {err}\n{b.log()[-1000:]}")
            if text:
                b.off()
                with open(iso, "wb") as f:
                    f.write(b"two2" * 16384)
                b.start(waits=True)
        check(b.goes_on(60), "it does not go on")
        b.off()


def kills(h):
    """Moves with copied disks, the target or the source killed after a random time."""
    rand = random.Random(3)
    with Home() as other:
        a, b = Side(h, disk_of(h)), Side(other, target_disk(other))
        told = []
        for n in range(9):
            a.start()
            check(a.goes_on(60), f"the guest does not count: {told}\n{a.log()[-2000:]}")
            b.start(waits=True)
            run = a.go(b)
            end = time.monotonic() + 30
            while "MiB of disks are copied" not in a.log() and run.poll() is None and time.monotonic() < end:
                time.sleep(0.02)
            time.sleep(rand.uniform(0, 1.6))
            victim = b if n % 3 < 2 else a
            victim.kill()
            run.communicate(timeout=200)
            states = ends(a, b, 90)
            live = [s for s, state in zip((a, b), states) if state == "running"]
            told.append(f"{'target' if victim is b else 'source'} killed: {states[0]}, {states[1]}")
            logs = f"source:\n{a.log()[-1500:]}\ntarget:\n{b.log()[-1500:]}"
            check(len(live) <= 1, f"both run: {told}")
            check("paused" not in states, f"one stands still: {told}\n{logs}")
            arrived = run.returncode == 0 or "the machine has arrived" in b.log()
            if victim is b and not arrived:
                check(live == [a], f"the source does not go on: {told}\n{logs}")
            if victim is a and arrived:
                check(live == [b], f"it has arrived, and does not go on: {told}\n{logs}")
            for s in live:
                check(s.goes_on(60), f"it does not count on from {s.counted()}: {told}\n{logs}")
            a.off(), b.off()
            check(content(h, os.path.join(h.top, "writer.vdi")), "the source's disk has nothing")
        print("# " + "\n# ".join(told))


if __name__ == "__main__":
    main(moves, chain_moves, refused, kills)
