#!/usr/bin/env python3
"""guarded_test.py - disks nobody may write, or nobody but one, and raw disks on which a guest puts the header of another format.

Machines do not boot from these disks; what guests write is written with the machine off.
RB_POINTS: how often each second writer tries (default 2).
"""
import ctypes
import hashlib
import os
import signal
import struct
import subprocess
import time

from manage import check, main
from snapshot_test import Machine, tool

POINTS = int(os.environ.get("RB_POINTS", "2"))
MIB = 1 << 20


def picture(path):
    """What must stay: contents, size and when it was written."""
    info = os.stat(path)
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest(), info.st_size, info.st_mtime_ns


class Watch:
    """Notices when a file is opened."""

    IN_OPEN, NONBLOCK = 0x20, 0o4000

    def __init__(self, path):
        libc = ctypes.CDLL(None)
        self.fd = libc.inotify_init1(self.NONBLOCK)
        check(self.fd >= 0 and libc.inotify_add_watch(self.fd, path.encode(), self.IN_OPEN) >= 0, "no inotify")

    def opened(self):
        try:
            return bool(os.read(self.fd, 4096))
        except BlockingIOError:
            return False


# ---- A13: headers of other formats on a raw disk ----

def headers(secret):
    """What a guest may write into its first sectors; each names or implies another file where the format can."""
    vdi = bytearray(1024)
    struct.pack_into("<IIII", vdi, 0x40, 0xbeda107f, 0x10001, 400, 1)
    struct.pack_into("<IIIIQI", vdi, 0x154, 512, 1024, 0, 0, 0, 512)
    struct.pack_into("<QIIII", vdi, 0x170, 64 * MIB, MIB, 0, 64, 0)
    qcow2 = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 112, len(secret), 16, 64 * MIB, 0, 1, 65536, 131072, 1, 0, 0) + bytes(40) + secret
    vmdk = b'# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 2048 FLAT "' + secret + b'" 0\n'
    sparse = struct.pack("<4sIIQQQQIQQQ", b"KDMV", 1, 3, 131072, 128, 1, 20, 512, 21, 26, 128)
    vhd = bytearray(struct.pack(">8sIIQI4sI4sQQIII", b"conectix", 2, 0x10000, 2 ** 64 - 1, 0, b"win ", 0x60001, b"Wi2k", 64 * MIB, 64 * MIB, 0, 2, 0))
    vhd[64:68] = struct.pack(">I", ~sum(vhd) & 0xffffffff)
    qed = struct.pack("<IIIIQQQQQII", 0x00444551, 65536, 4, 1, 1, 0, 0, 65536, 64 * MIB, 64, len(secret)) + secret
    return {"VDI": bytes(vdi), "qcow2": qcow2, "VMDK descriptor": vmdk, "VMDK sparse": sparse, "VHD": bytes(vhd), "QED": qed,
            "Parallels": b"WithoutFreeSpace" + bytes(48), "VHDX": b"vhdxfile" + bytes(504), "DMG": b"koly" + bytes(508)}


def raw_stays_raw(h):
    """Started, listed, cloned, resized, converted: it is raw, of the same size, and no other file is opened."""
    secret, disk = os.path.join(h.top, "secret.bin"), os.path.join(h.top, "guest.img")
    with open(secret, "wb") as f:
        f.write(b"nobody's" * 4096)
    watch = Watch(secret)
    with open(secret, "rb"):
        check(watch.opened() and not watch.opened(), "the watch does not work")
    h.ok("createvm", "--name", "m", "--register")
    h.ok("modifyvm", "m", "--memory", "32", "--vram", "8", "--nic1", "none")
    h.ok("storagectl", "m", "--name", "SATA", "--add", "sata")
    with open(disk, "wb") as f:
        f.truncate(4 * MIB)
    h.ok("storageattach", "m", "--storagectl", "SATA", "--port", "0", "--device", "0", "--type", "hdd", "--medium", disk)
    tried = 0
    for name, header in headers(secret.encode()).items():
        for at in (0, 4 * MIB - 512) if name in ("VHD", "DMG") else (0,):
            with open(disk, "r+b") as f:
                f.write(bytes(65536))
                f.seek(at)
                f.write(header[:4 * MIB - at])
            before = picture(disk)
            for again in ("same service", "another service"):
                h.ok("startvm", "m", "--type", "headless")
                h.wait_state("m", "running", 30)
                h.ok("controlvm", "m", "poweroff")
                h.wait_gone("VBoxHeadless", 10)
                if again == "same service":
                    for pid in h.pids("VBoxSVC"):
                        os.kill(pid, signal.SIGTERM)
                    h.wait_gone("VBoxSVC", 10)
            info = h.ok("showmediuminfo", disk)
            check("Storage format: RAW\n" in info and "Capacity:       4 MBytes\n" in info, f"{name}: {info}")
            copy, other = os.path.join(h.top, "copy.img"), os.path.join(h.top, "other.vdi")
            h.ok("clonemedium", disk, copy, "--format", "RAW")
            h.ok("clonemedium", disk, other, "--format", "VDI")
            with open(disk, "rb") as a, open(copy, "rb") as b:
                check(a.read() == b.read(), f"{name}: the clone is another disk")
            check(tool("sum", f"VDI:{other}") == before[0], f"{name}: the VDI is another disk")
            check(picture(disk) == before and not watch.opened(), f"{name}: {disk} was written, or {secret} was opened")
            for path in (copy, other):
                h.ok("closemedium", path, "--delete")
            r = h("modifymedium", disk, "--resize", "8")
            check(r.rc == 1 and picture(disk) == before or os.path.getsize(disk) == 8 * MIB, f"{name}: {r}")
            if r.rc == 0:
                h.ok("modifymedium", disk, "--resize", "4")
            check(picture(disk)[:2] == before[:2] and not watch.opened(), f"{name}: resized, {disk} is another one")
            tried += 5
    print(f"# {tried} times", flush=True)


# ---- A12: a second writer ----

def second_writer(h):
    """While a machine runs nobody else writes its disk; with its process's death the lock is gone."""
    h.ok("createvm", "--name", "m", "--register")
    h.ok("modifyvm", "m", "--memory", "32", "--vram", "8", "--nic1", "none")
    h.ok("storagectl", "m", "--name", "SATA", "--add", "sata")
    tries = 0
    for number, (fmt, qemu) in enumerate((("VDI", "vdi"), ("VMDK", "vmdk"), ("VHD", "vpc"), ("RAW", "raw"))):
        disk = os.path.join(h.top, "d." + fmt.lower())
        if fmt == "RAW":
            with open(disk, "wb") as f:
                f.truncate(4 * MIB)
        else:
            h.ok("createmedium", "--filename", disk, "--size", "4", "--format", fmt)
        h.ok("storageattach", "m", "--storagectl", "SATA", "--port", str(number), "--device", "0", "--type", "hdd", "--medium", disk)
        h.ok("startvm", "m", "--type", "headless")
        h.wait_state("m", "running", 30)
        before = picture(disk)
        others = (("qemu-io", "-f", qemu, "-c", "write 0 512", disk), ("qemu-img", "resize", "-f", qemu, disk, "8M"))
        for _ in range(POINTS):
            for words in others:
                run = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
                check(run.returncode != 0 and "lock" in run.stdout + run.stderr, f"{words}: {run}")
            for words in (("modifymedium", disk, "--resize", "8"), ("modifymedium", disk, "--compact"), ("closemedium", disk, "--delete"),
                          ("clonemedium", os.path.join(h.top, "d.vdi"), disk, "--existing")):
                r = h(*words)
                check(r.rc == 1, f"{fmt}: {words}: {r}")
            check(picture(disk) == before, f"{fmt}: {disk} was written")
            tries += len(others) + 4
        for pid in h.pids("VBoxHeadless"):
            os.kill(pid, signal.SIGKILL)
        h.wait_gone("VBoxHeadless", 10)
        write, end = ("qemu-io", "-f", qemu, "-c", "write -P 7 0 512", disk), time.monotonic() + 20
        while (run := subprocess.run(write, capture_output=True, text=True, timeout=60, check=False)).returncode:
            check(time.monotonic() < end, f"{fmt}: after the process's death: {run}")  # the service may look at the image
            time.sleep(0.1)
        end = time.monotonic() + 10
        while h.info("m")["VMState"] != "aborted":
            check(time.monotonic() < end, "not aborted")
        h.ok("storageattach", "m", "--storagectl", "SATA", "--port", str(number), "--device", "0", "--type", "hdd", "--medium", "none")
    print(f"# {tries} times", flush=True)


# ---- A15: what is never written ----

def leaf(m):
    """The hard disk's image among what is attached."""
    return next(i for i in m.images() if i in m.chains())


def never_written(h):
    """Discs, read-only, immutable and multi-attach disks: not a byte, not a time. Shareable ones are for several, others for one."""
    disc = os.path.join(h.top, "disc.iso")
    with open(disc, "wb") as f:
        f.write(os.urandom(MIB))
    m = Machine(h)
    h.ok("modifyvm", "m", "--memory", "32", "--vram", "8", "--nic1", "none")
    m.attach("none")
    h.ok("storageattach", "m", "--storagectl", "IDE", "--port", "1", "--device", "0", "--type", "dvddrive", "--medium", disc)
    runs = 0
    for kind in ("readonly", "immutable", "multiattach"):
        tool("write", "7", "20", "4096", f"VDI:{m.disk}")
        h.ok("modifymedium", m.disk, "--type", kind)
        before = picture(m.disk), picture(disc)
        m.attach(m.disk)
        for _ in range(2):
            h.ok("startvm", "m", "--type", "headless")
            h.wait_state("m", "running", 30)
            h.ok("controlvm", "m", "poweroff")
            h.wait_gone("VBoxHeadless", 10)
            if kind != "readonly":
                tool("write", str(runs), "40", "4096", *m.chains()[leaf(m)])
            check((picture(m.disk), picture(disc)) == before, f"{kind}: written")
            runs += 1
        image = leaf(m)[1:-1]
        m.attach("none")
        if kind != "readonly":
            h.ok("closemedium", image, "--delete")
        check((picture(m.disk), picture(disc)) == before, f"{kind}: written when it was detached")
    shared = os.path.join(h.top, "shared.vdi")
    h.ok("createmedium", "--filename", shared, "--size", "4", "--variant", "Fixed")
    for kind, together in (("normal", False), ("writethrough", False), ("shareable", True)):
        h.ok("modifymedium", shared, "--type", kind)
        m.attach(shared)
        if kind == "normal":
            h.ok("createvm", "--name", "n", "--register")
            h.ok("modifyvm", "n", "--memory", "32", "--vram", "8", "--nic1", "none")
            h.ok("storagectl", "n", "--name", "IDE", "--add", "ide")
        words = ("storageattach", "n", "--storagectl", "IDE", "--port", "0", "--device", "0", "--type", "hdd", "--medium")
        attached = h(*words, shared)
        h.ok("startvm", "m", "--type", "headless")
        h.wait_state("m", "running", 30)
        other = h("startvm", "n", "--type", "headless") if attached.rc == 0 else attached
        check((other.rc == 0) == together, f"{kind}: {other}")
        for name in ("m", "n") if together else ("m",):
            h.ok("controlvm", name, "poweroff")
        h.wait_gone("VBoxHeadless", 10)
        if attached.rc == 0:
            h.ok(*words, "none")
        m.attach("none")
    print(f"# {runs} runs with media that are never written, 3 kinds for one or several machines", flush=True)


main(raw_stays_raw, second_writer, never_written)
