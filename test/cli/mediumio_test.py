#!/usr/bin/env python3
"""mediumio_test.py - mediumio: FAT as mtools reads it, images streamed as qemu-img reads them; list hddbackends; passwords of disks."""
import os
import random
import re
import subprocess

from golden import com_error, same, syntax_error
from manage import BIN, check, main


def mtools(*words, text=None):
    run = subprocess.run(words, capture_output=True, input=text, timeout=60, check=False, env={**os.environ, "MTOOLS_SKIP_CHECK": "0"})
    check(run.returncode == 0, f"{words}: {run.stdout}{run.stderr}")
    return run.stdout.decode()


def used_as_fat(raw, bits):
    """mtools writes into the file system and finds it again."""
    check(f'disk type="FAT{bits}   "' in mtools("minfo", "-i", raw, "::"), mtools("minfo", "-i", raw, "::"))
    mtools("mmd", "-i", raw, "::/folder")
    mtools("mcopy", "-i", raw, "-", "::/folder/file.txt", text=b"hello" * 5000)
    same(mtools("mtype", "-i", raw, "::/folder/file.txt"), "hello" * 5000)
    check("folder" in mtools("mdir", "-i", raw, "::/").lower(), "the folder")


def format_fat(h):
    for kib in (360, 720, 1200, 1440, 2880):
        floppy = os.path.join(h.top, f"{kib}.img")
        with open(floppy, "wb") as f:
            f.write(b"\xaa" * (kib << 10))
        same(h.ok("mediumio", "--floppy", floppy, "formatfat"), "")
        used_as_fat(floppy, 12)
        check(b"\xaa" * 4 not in open(floppy, "rb").read(), "old contents")
    with open(floppy, "wb") as f:
        f.write(b"\xaa" * (2880 << 10))
    h.ok("mediumio", f"--floppy={floppy}", "formatfat", "--quick")
    used_as_fat(floppy, 12)
    check(b"\xaa" * 512 in open(floppy, "rb").read(), "--quick wiped the data")
    for mib, bits in ((1, 12), (16, 16), (300, 16)):
        disk, raw = os.path.join(h.top, f"{mib}.vdi"), os.path.join(h.top, f"{mib}.raw")
        h.ok("createmedium", "--filename", disk, "--size", str(mib))
        h.ok("mediumio", "--disk", disk, "formatfat", seconds=120)
        h.ok("internalcommands", "converttoraw", disk, raw)
        used_as_fat(raw, bits)
    large = os.path.join(h.top, "large.vdi")
    h.ok("createmedium", "--filename", large, "--size", "5000")
    r = h("mediumio", "--disk", large, "formatfat")
    check(r.rc == 1 and "a FAT file system has 33 KB to 2 GB" in r.err, repr(r))
    r = h("mediumio", "--dvd", floppy, "formatfat")
    same((r.rc, r.err), (1, "VBoxManage: error: A disc cannot be written\n"))


def stream(h):
    raw, disk = os.path.join(h.top, "a.img"), os.path.join(h.top, "a.vdi")
    with open(raw, "wb") as f:
        f.write(random.Random(3).randbytes(3 << 20) + bytes(1 << 20))
    h.ok("convertfromraw", raw, disk)
    for form, name, more in (("VMDK", "vmdk", ()), ("VHD", "vpc", ("--format=VHD",)), ("VDI", "vdi", ("--format", "VDI", "--variant", "Fixed")),
                             ("RAW", "raw", ("--format=RAW",))):
        to = os.path.join(h.top, f"out.{name}")
        same(h.ok("mediumio", "--disk", disk, "stream", *more, "--output", to), "")
        subprocess.run(["qemu-img", "compare", "-q", "-f", "raw", "-F", name, raw, to], check=True)
        piped = h.popen("mediumio", "--disk", disk, "stream", *more, text=False).communicate(timeout=60)[0]
        with open(to, "wb") as f:
            f.write(piped)
        subprocess.run(["qemu-img", "compare", "-q", "-f", "raw", "-F", name, raw, to], check=True)
    check(h("mediumio", "--disk", disk, "stream", "--output", to).rc == 1, "an existing file was overwritten")
    same(h.popen("mediumio", "--disk", disk, "cat", "--size=100", text=False).communicate(timeout=60)[0], open(raw, "rb").read(100))
    syntax_error(h("mediumio", "--disk", disk), "Missing subcommand")
    syntax_error(h("mediumio", "--disk", disk, "frob"), "Invalid parameter 'frob'")
    syntax_error(h("mediumio", "cat"), "No medium specified!")


def backends(h):
    lines = h.ok("list", "hddbackends").splitlines()
    same(lines[:2], ["Supported hard disk backends:", ""])
    same(lines[2], "Backend 0: id='VDI' description='VDI' capabilities=0x0477 extensions='vdi (HardDisk)' properties=()")
    check(re.search(r"^Backend \d+: id='RAW' .* extensions='iso \(DVD\),cdr \(DVD\),img \(Floppy\),", "\n".join(lines), re.M), lines)


def encryption(h):
    """The password of a disk that was encrypted elsewhere: its key store is a property of the medium."""
    disk = os.path.join(h.top, "d.vdi")
    for name in ("one", "two", "wrong"):
        with open(os.path.join(h.top, name), "w", encoding="ascii") as f:
            f.write(f"{name} secret\n")
    h.ok("createmedium", "--filename", disk, "--size", "8")
    h.ok("createvm", "--name", "m", "--register")
    h.ok("storagectl", "m", "--name", "SATA", "--add", "sata")
    h.ok("storageattach", "m", "--storagectl", "SATA", "--port", "0", "--device", "0", "--type", "hdd", "--medium", disk)
    com_error(h("checkmediumpwd", disk, "one"), f"The medium '{disk}' is not encrypted", "VBOX_E_NOT_SUPPORTED (0x80bb0009)", "MediumWrap", "IMedium")
    r = h("encryptmedium", disk, "--newpassword", "one", "--newpasswordid", "id")
    check(r.rc == 1 and f"The contents of '{disk}' cannot be encrypted by this program" in r.err and "E_NOTIMPL" in r.err, repr(r))
    store = subprocess.run([os.path.join(BIN, "..", "test", "cli", "disk_tool"), "keystore", "one secret"], capture_output=True, text=True,
                           check=True).stdout.strip()
    h.ok("mediumproperty", "disk", "set", disk, "CRYPT/KeyStore", store)
    h.ok("mediumproperty", "disk", "set", disk, "CRYPT/KeyId", "mine")
    check("Encryption:     enabled\nCipher:         AES-XTS256-PLAIN64\nPassword ID:    mine\n" in h.ok("showmediuminfo", disk), h.ok("showmediuminfo", disk))
    same(h.ok("checkmediumpwd", disk, "one"), "The given password is correct\n")
    wrong = (f"The given password for medium '{disk}' is incorrect", "VBOX_E_PASSWORD_INCORRECT (0x80bb000d)", "MediumWrap", "IMedium")
    com_error(h("checkmediumpwd", disk, "wrong"), *wrong)
    com_error(h("encryptmedium", disk, "--oldpassword", "wrong", "--newpassword", "two"), *wrong)
    same(h.ok("encryptmedium", disk, "--oldpassword", "one", "--newpassword", "two", "--newpasswordid", "other"), "")
    com_error(h("checkmediumpwd", disk, "one"), *wrong)
    same(h.ok("checkmediumpwd", disk, "two"), "The given password is correct\n")
    check("Password ID:    other\n" in h.ok("showmediuminfo", disk), "the password's name")
    r = h("encryptmedium", disk, "--oldpassword", "two")
    check(r.rc == 1 and "cannot be decrypted" in r.err and "E_NOTIMPL" in r.err, repr(r))
    syntax_error(h("encryptmedium", disk), "No password specified")
    syntax_error(h("encryptmedium", disk, "--newpassword", "one"), "A new password must always have a valid identifier set at the same time")
    syntax_error(h("checkmediumpwd", disk), "Invalid number of arguments")


main(format_fat, stream, backends, encryption)
