#!/usr/bin/env python3
"""internal_test.py - internalcommands: UUIDs, conversions, disks of the host. Partition tables are made by sfdisk, images looked at by
qemu-img."""
import hashlib
import json
import os
import random
import re
import subprocess

from golden import UUID, same
from manage import check, main

CHILD = "01234567-89ab-cdef-0123-456789abcdef"
TABLES = {"dos": "label: dos\nstart=2048, size=4096, type=83\nstart=6144, size=8192, type=5\nstart=8192, size=2048, type=82\nstart=12288, size=1024, type=7\n",
          "gpt": "label: gpt\nstart=2048, size=4096\nstart=8192, size=2048\n"}


def syntax(h, text, *args):
    r = h("internalcommands", *args)
    check(r.rc == 2 and r.out == "" and r.err.startswith("Usage - ") and r.err.endswith(f"\nSyntax error: {text}\n"), repr(r))


def failure(h, text, *args):
    r = h("internalcommands", *args)
    check(r.rc == 1 and r.out == "" and text in r.err and r.err.count("\n") <= 2, repr(r))


def random_file(path, kib, seed):
    with open(path, "wb") as f:
        f.write(random.Random(seed).randbytes(kib << 10))
    return path


def words(h):
    syntax(h, "Command missing")
    syntax(h, "Invalid command 'frob'", "frob")
    syntax(h, "Not enough parameters", "sethduuid")
    syntax(h, "Invalid UUID parameter", "sethduuid", "x.vdi", "nonsense")
    syntax(h, "Not enough parameters", "sethdparentuuid", "x.vdi")
    syntax(h, "Mandatory parameter -rawdisk missing", "listpartitions")
    syntax(h, "Mandatory parameter --filename missing", "createrawvmdk")
    syntax(h, "Mandatory parameter --rawdisk missing", "createrawvmdk", "-filename", "x.vmdk")
    syntax(h, "Mandatory outputfile parameter missing", "converttoraw", "x.vdi")
    syntax(h, "Invalid parameter 'z'", "converttoraw", "x", "y", "z")
    same(h.ok("internalcommands", "passwordhash", "secret"), f"Password hash: {hashlib.sha256(b'secret').hexdigest()}\n")
    same(h.ok("internalcommands", "modinstall"), "")
    failure(h, "Format autodetect failed: ", "dumphdinfo", os.path.join(h.top, "nothing.vdi"))


def uuids(h):
    for form, size in (("VDI", 8), ("VMDK", 8), ("VHD", 8)):
        base, child = (os.path.join(h.top, f"{name}.{form.lower()}") for name in ("base", "child"))
        h.ok("createmedium", "--filename", base, "--size", str(size), "--format", form)
        h.ok("createmedium", "--filename", child, "--diffparent", base, "--format", form)
        h.ok("closemedium", child)
        h.ok("closemedium", base)
        same(h.ok("internalcommands", "sethduuid", base, CHILD), f"UUID changed to: {CHILD}\n")
        out = h.ok("internalcommands", "dumphdinfo", base)
        check(out.startswith(f'--- Dumping VD Disk, Images=1\nDumping VD image "{base}" (Backend={form})\nHeader: Size={size << 20} '), out)
        check(f"Header: uuidCreation={{{CHILD}}}\n" in out and "Header: uuidParent={00000000-0000-0000-0000-000000000000}\n" in out, out)
        check(re.fullmatch(f"UUID changed to: {UUID}\n", h.ok("internalcommands", "sethduuid", child)), "a random one")
        same(h.ok("internalcommands", "sethdparentuuid", child, CHILD), f"UUID changed to: {CHILD}\n")
        check(f"Header: uuidParent={{{CHILD}}}\n" in h.ok("internalcommands", "dumphdinfo", child), "parent")
        failure(h, "it is no differencing image", "sethdparentuuid", base, CHILD)
        check(f"UUID:           {CHILD}\n" in h.ok("showmediuminfo", base), "the service sees another")
        check("State:          created\n" in h.ok("showmediuminfo", child), "the chain is broken")
        h.ok("closemedium", child, "--delete")
        h.ok("closemedium", base, "--delete")


def conversions(h):
    raw = random_file(os.path.join(h.top, "a.img"), 3072, 1)
    for form in ("VDI", "VMDK", "VHD"):
        image, back = os.path.join(h.top, f"a.{form.lower()}"), os.path.join(h.top, f"back.{form}")
        r = h("internalcommands", "converthd", "-srcformat", "RAW", "-dstformat", form, raw, image)
        same((r.rc, r.out, r.err), (0, "", f'Converting image "{raw}" with size 3145728 bytes (3MB)...\n'))
        h.ok("internalcommands", "converttoraw", image, back)
        check(open(back, "rb").read() == open(raw, "rb").read(), f"{form} there and back")
        failure(h, "VERR_ALREADY_EXISTS", "converttoraw", image, back)
    out = h.popen("internalcommands", "converttoraw", "-format", "VDI", os.path.join(h.top, "a.vdi"), "stdout", text=False).communicate()[0]
    check(out == open(raw, "rb").read(), "to standard output")
    split = os.path.join(h.top, "split.vmdk")
    h.ok("convertfromraw", raw, split, "--format", "VMDK", "--variant", "Split2G")
    h.ok("internalcommands", "renamevmdk", "-from", split, "-to", os.path.join(h.top, "new.vmdk"))
    left = sorted(f for f in os.listdir(h.top) if f.startswith(("split", "new")))
    same(left, ["new.vmdk"])
    h.ok("internalcommands", "converttoraw", os.path.join(h.top, "new.vmdk"), os.path.join(h.top, "new.img"))
    check(open(os.path.join(h.top, "new.img"), "rb").read() == open(raw, "rb").read(), "the renamed one")
    same(h.ok("internalcommands", "repairhd", "-dry-run", os.path.join(h.top, "a.vdi")), "0 errors, 0 leaks\n")
    os.truncate(os.path.join(h.top, "a.vdi"), 1 << 20)
    check(h("internalcommands", "repairhd", os.path.join(h.top, "a.vdi")).rc == 1, "a damaged image")


def host_disk(h, label):
    """A disk with partitions, each sector's contents its own."""
    disk = random_file(os.path.join(h.top, f"{label}.img"), 16 << 10, label)
    subprocess.run(["sfdisk", "-q", disk], input=TABLES[label], text=True, check=True)
    return disk, json.loads(subprocess.run(["sfdisk", "-J", disk], capture_output=True, check=True).stdout)["partitiontable"]["partitions"]


def partitions(h):
    for label in TABLES:
        disk, wanted = host_disk(h, label)
        lines = h.ok("internalcommands", "listpartitions", "-rawdisk", disk).splitlines()
        same(lines[0], "Number  Type   StartCHS       EndCHS      Size (MiB)  Start (Sect)")
        got = [(int(w[0]), int(w[1], 16), int(w[-2]), int(w[-1])) for w in map(str.split, lines[1:])]
        same(got, [(int(p["node"][len(disk):]), int(p["type"], 16) if label == "dos" else 0, p["size"] // 2048, p["start"])
                   for p in wanted if p["type"] != "5"])
    failure(h, "no partition table", "listpartitions", "-rawdisk", random_file(os.path.join(h.top, "none.img"), 64, 2))


def raw_disks(h):
    disk, _ = host_disk(h, "dos")
    whole, some = os.path.join(h.top, "whole.vmdk"), os.path.join(h.top, "some.vmdk")
    same(h.ok("internalcommands", "createrawvmdk", "-filename", whole, "-rawdisk", disk),
         f"RAW host disk access VMDK file {whole} created successfully.\n")
    check('createType="fullDevice"\n' in open(whole).read() and f'RW 32768 FLAT "{disk}" 0\n' in open(whole).read(), open(whole).read())
    check(f'Dumping VD image "{whole}" (Backend=VMDK)' in h.ok("internalcommands", "dumphdinfo", whole), "dumphdinfo does not open it")
    failure(h, "has no partition 7", "createrawvmdk", "-filename", some, "-rawdisk", disk, "-partitions", "1,7")
    check(not os.path.exists(some) and not os.path.exists(some[:-5] + "-pt.vmdk"), "a failure left files")
    h.ok("internalcommands", "createrawvmdk", "--filename", some, "--rawdisk", disk, "--partitions", "1,6")
    text = open(some).read()
    for line in ('RW 2048 FLAT "some-pt.vmdk" 0\n', f'RW 4096 FLAT "{disk}" 2048\n', "RW 2048 ZERO\n", f'RW 1024 FLAT "{disk}" 12288\n'):
        check(line in text, f"{line} not in {text}")
    same(sum(int(n) for n in re.findall(r"^RW (\d+)", text, re.M)), 32768)
    same(subprocess.run(["sfdisk", "-d", some[:-5] + "-pt.vmdk"], capture_output=True, text=True, check=False).stdout.count("start="), 2)
    check("Capacity:       16 MBytes\n" in h.ok("showmediuminfo", whole), "the service looks at it")
    check("State:          created\n" in h.ok("showmediuminfo", some), "the service looks at it")
    h.ok("createvm", "--name", "m", "--register")
    h.ok("modifyvm", "m", "--memory", "32", "--vram", "8")
    h.ok("storagectl", "m", "--name", "SATA", "--add", "sata")
    h.ok("storageattach", "m", "--storagectl", "SATA", "--port", "0", "--device", "0", "--type", "hdd", "--medium", whole)
    r = h("startvm", "m", "--type", "headless")
    check(r.rc == 1 and "has to be allowed explicitly" in r.err, repr(r))
    r = h("clonemedium", whole, os.path.join(h.top, "copy.vdi"))
    check(r.rc == 1 and "has to be allowed explicitly" in r.err, repr(r))
    h.ok("setextradata", "m", "VBoxInternal2/HostDisks", "1")
    h.ok("startvm", "m", "--type", "headless")
    h.ok("controlvm", "m", "poweroff")


def create(h, path, *words):
    return h("createmedium", "disk", "--filename", path, "--format", "VMDK", "--variant", "RawDisk", *words)


def raw_media(h):
    """createmedium --variant RawDisk makes what createrawvmdk makes."""
    disk, _ = host_disk(h, "dos")
    for words, name in (((), "whole"), (("--property", "Partitions=1,6"), "some")):
        by_hand, made = (os.path.join(h.top, f"{name}-{k}.vmdk") for k in "ab")
        options = ("-partitions", "1,6") if words else ()
        h.ok("internalcommands", "createrawvmdk", "-filename", by_hand, "-rawdisk", disk, *options)
        r = create(h, made, "--property", f"RawDrive={disk}", *words)
        check(r.rc == 0 and re.fullmatch(f"Medium created. UUID: {UUID}\n", r.out) and "VBoxInternal2/HostDisks 1" in r.err, repr(r))
        with open(by_hand, encoding="utf-8") as a, open(made, encoding="utf-8") as b:
            strip = lambda f: re.sub(UUID + r"|^CID=\w+", "", f.read(), flags=re.M).replace(f"{name}-a-pt", f"{name}-b-pt")
            same(strip(b), strip(a))
        text = h.ok("showmediuminfo", made)
        check("Property:" not in text and "Capacity:       16 MBytes" in text and f"UUID:           {r.out.split()[-1]}\n" in text, text)
        with open(made, encoding="utf-8") as f:
            check(f'ddb.uuid.image="{r.out.split()[-1]}"\n' in f.read(), "the file has another UUID")
    boot = random_file(os.path.join(h.top, "boot"), 1, 7)
    made = os.path.join(h.top, "boot.vmdk")
    r = create(h, made, "--property", f"RawDrive={disk}", "--property", "Partitions=1", "--property-file", "BootSector=boot")
    check(r.rc == 0, repr(r))
    with open(os.path.join(h.top, "boot-pt.vmdk"), "rb") as f, open(boot, "rb") as g:
        same(f.read(440), g.read(440))
    bad = os.path.join(h.top, "bad.vmdk")
    for words, text in ((("--property", "RawDrive=nothing"), "nothing"),
                        ((), "The property 'RawDrive' has to name the host's disk"),
                        (("--property", f"RawDrive={disk}", "--property", "Partitions=1,x"), "'1,x' is no list of partitions such as 1,5"),
                        (("--property", f"RawDrive={disk}", "--property", "Partitions=7"), "has no partition 7"),
                        (("--property", f"RawDrive={disk}", "--property", "Relative=1"), "are only for an image of partitions")):
        r = create(h, bad, *words)
        check(r.rc == 1 and text in r.err and not os.path.exists(bad) and "bad.vmdk" not in h.ok("list", "hdds"), f"{words}: {r}")
    r = h("createmedium", "disk", "--filename", bad, "--size", "1", "--property", "a=b")
    same((r.rc, r.err), (1, "VBoxManage: error: Only images of the variant RawDisk are made with properties\n"))
    r = h("createmedium", "disk", "--filename", bad, "--variant", "RawDisk", "--property", f"RawDrive={disk}")
    check(r.rc == 1 and "Only images of the format VMDK can stand for a disk of the host" in r.err, repr(r))


main(words, uuids, conversions, partitions, raw_disks, raw_media)
