#!/usr/bin/env python3
"""images_test.py - disk images through the command line: made, cloned, changed, moved, with properties; machines cloned and moved.

qemu-img judges what it can read.
"""
import os
import re
import signal
import subprocess
import sys

from manage import check, main
from snapshot_test import DONE, NS, UUID, Machine, tool


def qemu(*args):
    run = subprocess.run(["qemu-img", *args], capture_output=True, text=True, timeout=60, check=False)
    check(run.returncode == 0, f"qemu-img {args}: {run.stdout}{run.stderr}")
    return run.stdout


def raw_disk(path, mib=6):
    """Random data with a hole in it."""
    with open(path, "wb") as f:
        f.write(os.urandom(1 << 20))
        f.seek((mib - 1) << 20)
        f.write(os.urandom(1 << 20))
    return path


def clones(h):
    """Any format to any, and back to the same bytes."""
    raw = raw_disk(os.path.join(h.top, "a.img"))
    for fmt, variant, name in (("VDI", "Standard", "vdi"), ("VDI", "Fixed", "vdi"), ("VMDK", "Standard", "vmdk"), ("VMDK", "Stream", "vmdk"),
                               ("VMDK", "Fixed", "vmdk"), ("VHD", "Standard", "vpc"), ("VHD", "Fixed", "vpc")):
        path = os.path.join(h.top, f"{fmt}-{variant}.{fmt.lower()}")
        r = h("clonemedium", raw, path, "--format", fmt, "--variant", variant)
        check(r.rc == 0 and r.err == DONE and re.fullmatch(f"Clone medium created in format '{fmt}'. UUID: {UUID}\n", r.out), repr(r))
        qemu("compare", "-f", "raw", "-F", name, raw, path)
        back = os.path.join(h.top, "back.img")
        h.ok("clonehd", path, back, "--format", "RAW")
        qemu("compare", "-f", "raw", "-F", "raw", raw, back)
        h.ok("closemedium", back, "--delete")
    r = h("clonemedium", raw, os.path.join(h.top, "VDI-Fixed.vdi"))
    check(r.rc == 1 and "already exists" in r.err, repr(r))
    h.ok("createmedium", "--filename", os.path.join(h.top, "e.vdi"), "--size", "8")
    h.ok("clonemedium", raw, os.path.join(h.top, "e.vdi"), "--existing")
    qemu("compare", "-f", "raw", "-F", "vdi", raw, os.path.join(h.top, "e.vdi"))
    large = os.path.join(h.top, "large.vdi")
    h.ok("clonemedium", raw, large, "--format", "VDI", "--resize", "9", "--static")
    with open(os.path.join(h.top, "padded.img"), "wb") as to, open(raw, "rb") as f:
        to.write(f.read().ljust(9 << 20, b"\0"))
    qemu("compare", "-f", "raw", "-F", "vdi", os.path.join(h.top, "padded.img"), large)
    check("Format variant: fixed" in h.ok("showmediuminfo", large) and "Capacity:       9 MBytes" in h.ok("showmediuminfo", large), "--resize --static")
    r = h("clonemedium", large, os.path.join(h.top, "small.vdi"), "--resize", "1")
    check(r.rc == 1 and "error: " in r.err and not os.path.exists(os.path.join(h.top, "small.vdi")) and "small.vdi" not in h.ok("list", "hdds"), repr(r))
    for args, text in (((), "Mandatory UUID or input file parameter missing"), ((raw,), "Mandatory output file parameter missing"),
                       ((raw, "x", "--variant", "odd"), "Invalid medium variant 'odd'")):
        r = h("clonemedium", *args)
        check(r.rc == 2 and r.err.startswith(f"VBoxManage: error: {text}\n"), repr(r))


def interrupted(h):
    """Ctrl-C while a clone is made: it ends with the operation's error and leaves nothing."""
    source, copy = os.path.join(h.top, "s.vdi"), os.path.join(h.top, "copy.vdi")
    h.ok("createmedium", "disk", "--filename", source, "--size", "2048", "--variant", "Fixed")
    run = h.popen("clonemedium", source, copy, "--variant", "Fixed", text=False, bufsize=0)
    told = b""
    while b"10%..." not in told:
        more = run.stderr.read(1)
        check(more, f"it ended: {told}")
        told += more
    run.send_signal(signal.SIGINT)
    told = (told + run.communicate(timeout=60)[1]).decode()
    check(run.returncode == 1 and told.endswith("Cancelled (VERR_CANCELLED)\n") and "100%" not in told, f"{run.returncode}: {told}")
    check(not os.path.exists(copy) and copy not in h.ok("list", "hdds") and source in h.ok("list", "hdds"), "half an image was left")
    h.ok("closemedium", source, "--delete")  # and nothing holds the source


def convert(h):
    """convertfromraw from a file and from a pipe; mediumio reads a chain."""
    raw = raw_disk(os.path.join(h.top, "a.img"))
    size = os.path.getsize(raw)
    vdi, piped = os.path.join(h.top, "a.vdi"), os.path.join(h.top, "p.vmdk")
    uuid = "01234567-89ab-cdef-0123-456789abcdef"
    out = h.ok("convertfromraw", raw, vdi, "--format", "VDI", "--uuid", uuid)
    check(out == f'Converting from raw image file="{raw}" to file="{vdi}"...\nCreating dynamic image with size {size} bytes (6MB)...\n', out)
    check(f"UUID:           {uuid}\n" in h.ok("showmediuminfo", vdi), "--uuid")
    check("Creating fixed image" in h.ok("convertdd", raw, os.path.join(h.top, "s.vdi"), "-static"), "-static")
    with open(raw, "rb") as f:
        process = h.popen("convertfromraw", "stdin", piped, str(size), "--format", "VMDK", stdin=f)
        out, err = process.communicate(timeout=60)
    check(process.returncode == 0, out + err)
    qemu("compare", "-f", "raw", "-F", "vdi", raw, vdi)
    qemu("compare", "-f", "raw", "-F", "vmdk", raw, piped)
    r = h("convertfromraw", raw, vdi)
    check(r.rc == 1 and "VERR_ALREADY_EXISTS" in r.err, repr(r))
    r = h("convertfromraw", "stdin", "x.vdi")
    check(r.rc == 2 and r.err.startswith("VBoxManage: error: Incorrect number of parameters\n"), repr(r))
    h.ok("createmedium", "--filename", os.path.join(h.top, "d.vdi"), "--diffparent", vdi)
    copy = os.path.join(h.top, "copy.img")
    h.ok("mediumio", "--disk", os.path.join(h.top, "d.vdi"), "cat", "--output", copy)
    with open(raw, "rb") as a, open(copy, "rb") as b:
        wanted = a.read()
        check(wanted == b.read(), "mediumio cat shows something else")
    out = h.ok("mediumio", "--disk", vdi, "cat", "--hex", "--offset", "512", "--size", "16")
    check(out == "0000000200: " + wanted[512:528].hex(" ") + "\n", out)


def changes(h):
    """modifymedium and mediumproperty."""
    disk = os.path.join(h.top, "d.vdi")
    for fmt in ("VMDK", "VHD"):
        other = os.path.join(h.top, "x." + fmt.lower())
        h.ok("createmedium", "--filename", other, "--size", "4", "--format", fmt)
        check(f"Storage format: {fmt}\n" in h.ok("showmediuminfo", other), fmt)
    uuid = re.search(UUID, h.ok("createmedium", "--filename", disk, "--size", "16")).group(0)
    before = (tool("write", "1", "20", "65536", f"VDI:{disk}"), tool("sum", f"VDI:{disk}"))[1]
    r = h("modifymedium", disk, "--resize", "24")
    check((r.rc, r.out, r.err) == (0, "", DONE) and "Capacity:       24 MBytes\n" in h.ok("showmediuminfo", disk), repr(r))
    h.ok("modifymedium", uuid, "--resizebyte", str(16 << 20))
    check(tool("sum", f"VDI:{disk}") == before, "resizing changed the contents")
    r = h("modifyhd", disk, "--compact")
    check((r.rc, r.err) == (0, DONE) and tool("sum", f"VDI:{disk}") == before, repr(r))
    check(h.ok("modifymedium", disk, "--description", "my disk") == "Medium description has been changed.\n", "description")
    check(h.ok("modifymedium", disk, "--move", os.path.join(h.top, "sub", "e.vdi")) == f"Move medium with UUID {uuid} finished\n", "move")
    moved = os.path.join(h.top, "sub", "e.vdi")
    check(os.path.exists(moved) and not os.path.exists(disk), "the file was not moved")
    os.rename(moved, disk)
    check(h.ok("modifymedium", uuid, "--setlocation", disk) == f"Set new location of medium with UUID {uuid} finished\n", "setlocation")
    h.ok("mediumproperty", "set", disk, "a/b", "c d")
    check(h.ok("mediumproperty", "get", disk, "a/b") == "a/b=c d\n", "property")
    check("Property:       a/b=c d\n" in h.ok("showmediuminfo", disk), "showmediuminfo does not show it")
    h.ok("mediumproperty", "disk", "delete", disk, "a/b")
    r = h("mediumproperty", "get", disk, "a/b")
    check(r.rc == 1 and "Property 'a/b' does not exist" in r.err and "VBOX_E_OBJECT_NOT_FOUND" in r.err, repr(r))
    r = h("modifymedium", disk)
    check(r.rc == 2 and r.err.startswith("VBoxManage: error: No operation specified\n"), repr(r))
    for name in ("x.vhd", "x.vmdk"):
        h.ok("modifymedium", os.path.join(h.top, name), "--compact")
    vmdk = os.path.join(h.top, "x.vmdk")
    tool("write", "1", "20", "65536", f"VMDK:{vmdk}")
    h.ok("modifymedium", vmdk, "--resize", "8")
    h.ok("modifymedium", vmdk, "--compact")
    check("Capacity:       8 MBytes\n" in h.ok("showmediuminfo", vmdk), "the VMDK was not resized")
    h.ok("clonemedium", vmdk, os.path.join(h.top, "x.raw"), "--format", "RAW")
    with open(os.path.join(h.top, "x.raw"), "rb") as f:
        check(any(f.read(4 << 20)) and not any(f.read()), "the VMDK's contents after resizing and compacting")
    r = h("modifymedium", os.path.join(h.top, "x.raw"), "--compact")
    check(r.rc == 1 and "VBOX_E_NOT_SUPPORTED" in r.err, repr(r))


def differences(h):
    """createmedium --diffparent, and what cannot be done with a parent."""
    base, diff = os.path.join(h.top, "b.vdi"), os.path.join(h.top, "d.vdi")
    h.ok("createmedium", "--filename", base, "--size", "8")
    r = h("createmedium", "--filename", diff, "--diffparent", base)
    check(re.fullmatch(f"Medium created\\. UUID: {UUID}\n", r.out) and r.err == DONE, repr(r))
    info = h.ok("showmediuminfo", diff)
    check("Type:           normal (differencing)\n" in info and "Format variant: differencing default\n" in info, info)
    check("Child UUIDs:" in h.ok("showmediuminfo", base), "the parent does not know its child")
    r = h("modifymedium", base, "--resize", "16")
    check(r.rc == 1 and "child media" in r.err, repr(r))
    before = (tool("write", "1", "20", "65536", f"VDI:{base}", f"VDI:{diff}"), tool("sum", f"VDI:{base}", f"VDI:{diff}"))[1]
    h.ok("clonemedium", diff, os.path.join(h.top, "flat.vdi"))
    check(tool("sum", "VDI:" + os.path.join(h.top, "flat.vdi")) == before, "the clone of a chain shows something else")


def machines(h):
    """clonevm: full, linked, all; movevm."""
    m = Machine(h)
    m.write(1)
    m.take("s1")
    first = m.write(2)
    m.take("s2")
    m.write(3)
    sums = m.sums()
    check(h.ok("clonevm", "m", "--register") == 'Machine has been successfully cloned as "m Clone"\n', "the message")
    full = Machine.at(h, "m Clone")
    check(full.sums() == {None: sums[None]}, "the clone shows something else")
    check(os.path.basename(full.chains()[full.images()[0]][0]) == "m Clone-disk1.vdi", full.chains())
    mac = [x.root().find(f"{NS}Hardware/{NS}Network/{NS}Adapter").get("MACAddress") for x in (m, full)]
    check(mac[0] != mac[1] or mac[0] is None, "the same MAC address")
    h.ok("clonevm", "m", "--name", "linked", "--snapshot", "s2", "--options", "link,keepallmacs", "--register")
    linked = Machine.at(h, "linked")
    check(linked.sums() == {None: first} and len(linked.chains()[linked.images()[0]]) == 3, "the linked clone shows something else")
    linked.write(9)
    check(m.sums() == sums, "writing the linked clone changed the original")
    r = h("snapshot", "m", "delete", "s2")
    check(r.rc == 1 and "has more than one child hard disk (2)" in r.err, repr(r))
    h.ok("unregistervm", "linked", "--delete")
    check(m.sums() == sums, "deleting the linked clone changed the original")
    h.ok("clonevm", "m", "--name", "all", "--mode", "all", "--options", "keepdisknames", "--register")
    every = Machine.at(h, "all")
    check(every.sums() == sums, f"the copy with snapshots shows {every.sums()}, not {sums}")
    h.ok("snapshot", "all", "delete", "s1")
    check({k: v for k, v in every.sums().items() if k != "s1"} == {k: v for k, v in sums.items() if k != "s1"}, "a snapshot of the copy")
    check(m.sums() == sums, "the original changed")
    r = h("clonevm", "m", "--name", "x", "--options", "link")
    check(r.rc == 1 and "Linked clone can only be created from a snapshot" in r.err, repr(r))
    check(not os.path.exists(os.path.join(h.vms, "x", "x.vbox")), "a failed clone left something")
    there = os.path.join(h.top, "elsewhere")
    check(h.ok("movevm", "m", "--folder", there) == f"Machine has been successfully moved into {there}\n", "movevm")
    m.folder = os.path.join(there, "m")
    m.file = os.path.join(m.folder, "m.vbox")
    check(m.sums() == sums and not os.path.exists(os.path.join(h.vms, "m")), "the moved machine")
    h.ok("snapshot", "m", "delete", "s1")
    for name in ("m", "m Clone", "all"):
        h.ok("unregistervm", name, "--delete")
    check(h.ok("list", "hdds") == "" and os.listdir(h.vms) == [], f"left: {h.ok('list', 'hdds')}{os.listdir(h.vms)}")


def some_snapshots(h):
    """clonevm --mode machineandchildren: a snapshot with those below it, and the current state if it comes from one."""
    m = Machine(h)
    m.write(1)
    m.take("s1")
    m.write(2)
    m.take("s2")
    m.write(3)
    m.take("s3")
    m.write(4)
    h.ok("snapshot", "m", "restore", "s2")
    m.write(5)
    m.take("s4")
    m.write(6)
    sums = m.sums()

    def clone(name, snapshot):
        h.ok("clonevm", "m", "--name", name, "--mode", "machineandchildren", *(("--snapshot", snapshot) if snapshot else ()), "--register")
        return Machine.at(h, name)
    below = clone("below", "s2")
    check(below.sums() == {k: v for k, v in sums.items() if k != "s1"}, f"below s2: {below.sums()}, not {sums}")
    check([len(c) for c in below.chains().values()] and min(len(c) for c in below.chains().values()) == 1, str(below.chains()))
    check('CurrentSnapshotName="s4"' in h.ok("snapshot", "below", "list", "--machinereadable"), "the current snapshot")
    beside = clone("beside", "s3")
    check(beside.sums() == {None: sums["s3"], "s3": sums["s3"]}, f"s3 alone: {beside.sums()}")
    beside.write(9)
    check(beside.sums()["s3"] == sums["s3"], "the clone's snapshot changed with its current state")
    check('CurrentSnapshotName="s3"' in h.ok("snapshot", "beside", "list", "--machinereadable"), "the current snapshot")
    current = clone("current", None)
    check(current.sums() == {None: sums[None]}, "nothing is below the current state")
    h.ok("snapshot", "below", "delete", "s4")
    check({k: v for k, v in below.sums().items() if k} == {k: sums[k] for k in ("s2", "s3")}, "after deleting one")
    check(m.sums() == sums, "the original changed")
    for name in ("below", "beside", "current", "m"):
        h.ok("unregistervm", name, "--delete")
    check(h.ok("list", "hdds") == "" and os.listdir(h.vms) == [], f"left: {h.ok('list', 'hdds')}{os.listdir(h.vms)}")


main(*(globals()[name] for name in sys.argv[1:] or ("clones", "interrupted", "convert", "changes", "differences", "machines", "some_snapshots")))
