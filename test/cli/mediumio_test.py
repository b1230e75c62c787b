#!/usr/bin/env python3
"""mediumio_test.py - mediumio: FAT as mtools reads it, images streamed as qemu-img reads them; list hddbackends; passwords of disks."""
import os
import pty
import random
import re
import signal
import subprocess
import sys
import time

from golden import com_error, same, syntax_error
from manage import check, main
from snapshot_test import DONE


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
    check("Backend 9: id='iSCSI' description='iSCSI' capabilities=0x01a0 extensions='' properties=(" in lines and "  name='LUN' desc='Logical unit' type=string flags=0x01 default='0', " in lines, lines)
    check(re.search(r"^Backend \d+: id='RAW' .* extensions='iso \(DVD\),cdr \(DVD\),img \(Floppy\),", "\n".join(lines), re.M), lines)


def passwords(h, *names):
    for name in names:
        with open(os.path.join(h.top, name), "w", encoding="ascii") as f:
            f.write(f"{name} secret\n")


def disk_with_data(h):
    """A machine on a disk with data, and what that is."""
    raw, disk = os.path.join(h.top, "raw"), os.path.join(h.top, "d.vdi")
    data = os.urandom(3 << 20).ljust(8 << 20, b"\0")
    with open(raw, "wb") as f:
        f.write(data)
    h.ok("convertfromraw", raw, disk)
    h.ok("createvm", "--name", "m", "--register")
    h.ok("storagectl", "m", "--name", "SATA", "--add", "sata")
    h.ok("storageattach", "m", "--storagectl", "SATA", "--port", "0", "--device", "0", "--type", "hdd", "--medium", disk)
    return disk, data


def shows(h, disk, data, *password):
    out = os.path.join(h.top, "out")
    h.ok("mediumio", f"--disk={disk}", *password, "cat", f"--output={out}")
    with open(out, "rb") as f:
        check(f.read() == data, "the disk shows something else")
    os.unlink(out)


def encryption(h):
    """encryptmedium: plain, encrypted, another password, another cipher, plain."""
    disk, data = disk_with_data(h)
    passwords(h, "one", "two", "wrong")
    com_error(h("checkmediumpwd", disk, "one"), f"The medium '{disk}' is not encrypted", "VBOX_E_NOT_SUPPORTED (0x80bb0009)", "MediumWrap", "IMedium")
    com_error(h("encryptmedium", disk, "--oldpassword", "one"), f"The medium '{disk}' is not encrypted", "VBOX_E_NOT_SUPPORTED (0x80bb0009)",
              "MediumWrap", "IMedium")
    com_error(h("encryptmedium", disk, "--newpassword", "one", "--newpasswordid", "i", "--cipher", "ROT13"),
              "The cipher 'ROT13' is not supported (there are AES-XTS256-PLAIN64 and AES-XTS128-PLAIN64)", "VBOX_E_NOT_SUPPORTED (0x80bb0009)",
              "MediumWrap", "IMedium")
    r = h("encryptmedium", disk, "--newpassword", "one", "--newpasswordid", "mine")
    same((r.rc, r.out, r.err), (0, "", DONE))
    with open(disk, "rb") as f:
        check(data[:4096] not in f.read(), "the file still holds plain text")
    check("Encryption:     enabled\nCipher:         AES-XTS256-PLAIN64\nPassword ID:    mine\n" in h.ok("showmediuminfo", disk), h.ok("showmediuminfo", disk))
    same(h.ok("checkmediumpwd", disk, "one"), "The given password is correct\n")
    wrong = (f"The given password for medium '{disk}' is incorrect", "VBOX_E_PASSWORD_INCORRECT (0x80bb000d)", "MediumWrap", "IMedium")
    com_error(h("checkmediumpwd", disk, "wrong"), *wrong)
    for more in (("--newpassword", "two"), ("--newpassword", "two", "--cipher", "AES-XTS128-PLAIN64"), ()):
        r = h("encryptmedium", disk, "--oldpassword", "wrong", *more)
        same((r.rc, r.err), (1, f"0%...VBOX_E_PASSWORD_INCORRECT\nVBoxManage: error: {wrong[0]}\n"))
    shows(h, disk, data, "--password-file=one")
    r = h("mediumio", f"--disk={disk}", "cat")
    check(r.rc == 1 and r.err == f"VBoxManage: error: Medium '{disk}' is encrypted; --password-file says where its password is\n", repr(r))
    r = h("mediumio", f"--disk={disk}", "--password-file=wrong", "cat")
    check(r.rc == 1 and r.out == "" and "VERR_VD_PASSWORD_INCORRECT" in r.err, repr(r))
    h.ok("encryptmedium", disk, "--oldpassword", "one", "--newpassword", "two", "--newpasswordid", "other")
    com_error(h("checkmediumpwd", disk, "one"), *wrong)
    check("Password ID:    other\n" in h.ok("showmediuminfo", disk), "the password's name")
    h.ok("encryptmedium", disk, "--oldpassword", "two", "--newpassword", "one", "--cipher", "AES-XTS128-PLAIN64")
    check("Cipher:         AES-XTS128-PLAIN64\nPassword ID:    other\n" in h.ok("showmediuminfo", disk), h.ok("showmediuminfo", disk))
    shows(h, disk, data, "--password-file=one")
    com_error(h("export", "m", "--output", "m.ova"), f"The hard disk '{disk}' is encrypted; decrypt it, or a clone of it, before it is exported",
              "VBOX_E_NOT_SUPPORTED (0x80bb0009)", "ApplianceWrap", "IAppliance")
    h.ok("encryptmedium", disk, "--oldpassword", "one")
    check("Encryption:     disabled\n" in h.ok("showmediuminfo", disk), "still encrypted")
    shows(h, disk, data)
    syntax_error(h("encryptmedium", disk), "No password specified")
    syntax_error(h("encryptmedium", disk, "--newpassword", "one"), "A new password must always have a valid identifier set at the same time")
    syntax_error(h("checkmediumpwd", disk), "Invalid number of arguments")


def encryption_chain(h):
    """A disk with snapshots is encrypted with all its images; clones are encrypted, too."""
    disk, data = disk_with_data(h)
    passwords(h, "one")
    h.ok("snapshot", "m", "take", "s")
    h.ok("encryptmedium", disk, "--newpassword", "one", "--newpasswordid", "mine")
    leaf = h.info("m")["SATA-0-0"]
    check(leaf != disk and "Password ID:    mine\n" in h.ok("showmediuminfo", leaf), "the differencing image")
    shows(h, leaf, data, "--password-file=one")
    h.ok("clonevm", "m", "--name", "c", "--register")
    copy = h.info("c")["SATA-0-0"]
    same(h.ok("checkmediumpwd", copy, "one"), "The given password is correct\n")
    shows(h, copy, data, "--password-file=one")
    h.ok("clonemedium", leaf, "flat.vdi")
    shows(h, os.path.join(h.top, "flat.vdi"), data, "--password-file=one")
    h.ok("encryptmedium", leaf, "--oldpassword", "one")
    shows(h, leaf, data)
    shows(h, copy, data, "--password-file=one")


def encryption_killed(h):
    """kill -9 of the service while it encrypts and decrypts: afterwards the disk is one or the other, with nothing beside it."""
    disk, data = disk_with_data(h)
    passwords(h, "one")
    for k in range(12):
        encrypted = "Encryption:     enabled\n" in h.ok("showmediuminfo", disk)
        run = h.popen("encryptmedium", disk, *(("--oldpassword", "one") if encrypted else ("--newpassword", "one", "--newpasswordid", "i")))
        time.sleep(0.005 * k)
        for pid in h.pids("VBoxSVC"):
            os.kill(pid, signal.SIGKILL)
        run.communicate()
        after = "Encryption:     enabled\n" in h.ok("showmediuminfo", disk)
        shows(h, disk, data, *(("--password-file=one",) if after else ()))
        left = [f for f in os.listdir(h.top) if "recrypt" in f]
        check(not left and "Pending" not in h.ok("showmediuminfo", disk), f"left behind: {left}")


def typed(h):
    """A password typed on a terminal is asked for and not shown."""
    disk, _ = disk_with_data(h)
    passwords(h, "one")
    h.ok("encryptmedium", disk, "--newpassword", "one", "--newpasswordid", "i")
    outer, inner = pty.openpty()
    run = h.popen("checkmediumpwd", disk, "-", stdin=inner, stdout=inner, stderr=inner)
    text = b""
    while b":" not in text:
        text += os.read(outer, 1000)
    os.write(outer, b"one secret\n")
    check(run.wait(20) == 0, "the password is refused")
    text += os.read(outer, 1000)
    os.close(inner)
    os.close(outer)
    same(text, b"Enter password:\r\nThe given password is correct\r\n")


main(*(globals()[name] for name in sys.argv[1:] or ("format_fat", "stream", "backends", "encryption", "encryption_chain", "encryption_killed", "typed")))
