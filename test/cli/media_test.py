#!/usr/bin/env python3
"""media_test.py - discs and floppies of a running machine: storageattach changes them at once, and they are kept; disks past the host's cache."""
import os

from manage import check, main


def image(h, name, kib):
    path = os.path.join(h.top, name)
    with open(path, "wb") as f:
        f.truncate(kib * 1024)
    return path


def log_of(h, name="m"):
    with open(os.path.join(h.vms, name, "Logs", "VBox.log"), encoding="utf-8", errors="replace") as log:
        return log.read()


def change(h, ctl, port, *words):
    return h("storageattach", "m", "--storagectl", ctl, "--port", str(port), "--device", "0", *words)


def build(h):
    h.ok("createvm", "--name", "m", "--register")
    h.ok("modifyvm", "m", "--memory", "32", "--vram", "8", "--nic1", "none")
    for name, bus, port in (("IDE", "ide", 1), ("SATA", "sata", 0), ("VirtIO", "virtio", 0)):
        h.ok("storagectl", "m", "--name", name, "--add", bus)
        r = change(h, name, port, "--type", "dvddrive", "--medium", "emptydrive")
        check(r.rc == 0, repr(r))
    h.ok("storagectl", "m", "--name", "Floppy", "--add", "floppy")
    r = change(h, "Floppy", 0, "--type", "fdd", "--medium", "emptydrive")
    check(r.rc == 0, repr(r))
    h.ok("startvm", "m", "--type", "headless")
    h.wait_state("m", "running", 30)


def changes(h):
    build(h)
    one, two, floppy = image(h, "one.iso", 64), image(h, "two.iso", 128), image(h, "floppy.img", 1440)
    for name, port in (("IDE", 1), ("SATA", 0), ("VirtIO", 0)):
        key = f"{name}-{port}-0"
        for medium, shown in ((one, one), (two, two), ("emptydrive", "emptydrive"), (one, one)):
            r = change(h, name, port, "--medium", medium)
            check(r.rc == 0, repr(r))
            check(h.info("m")[key] == shown, f"{key} is {h.info('m')[key]!r}, not {shown!r}")
        check(f"Media: controller '{name}', port {port}, device 0: {two}" in log_of(h), "the machine did not get the disc")
        check(f"Media: controller '{name}', port {port}, device 0: no medium" in log_of(h), "the drive was not emptied")
    r = change(h, "Floppy", 0, "--medium", floppy)
    check(r.rc == 0 and h.info("m")["Floppy-0-0"] == floppy, repr(r))
    r = change(h, "SATA", 0, "--medium", os.path.join(h.top, "nothing.iso"))
    check(r.rc == 1 and h.info("m")["SATA-0-0"] == one, repr(r))
    h.ok("controlvm", "m", "poweroff")
    i = h.info("m")
    check(i["IDE-1-0"] == one and i["Floppy-0-0"] == floppy, "not kept")


def host_cache(h):
    """--hostiocache off opens the disks' files past the host's cache, and says so if their file system has no such way."""
    for name in ("m", "m2"):
        on = name == "m2"
        disk = os.path.join(h.top, name + ".vdi")
        h.ok("createvm", "--name", name, "--register")
        h.ok("modifyvm", name, "--memory", "32", "--vram", "8", "--nic1", "none")
        h.ok("storagectl", name, "--name", "SATA", "--add", "sata", "--hostiocache", "on" if on else "off")
        h.ok("createmedium", "--filename", disk, "--size", "8")
        h.ok("storageattach", name, "--storagectl", "SATA", "--port", "0", "--device", "0", "--type", "hdd", "--medium", disk)
        h.ok("startvm", name, "--type", "headless")
        h.wait_state(name, "running", 30)
        said = [line for line in log_of(h, name).splitlines() if f"'{disk}' goes " in line]
        check(len(said) == (0 if on else 1), f"--hostiocache {'on' if on else 'off'}: {said}")
        check(on or "past the host's cache" in said[0] or "has no O_DIRECT" in said[0], str(said))
        h.ok("controlvm", name, "poweroff")


def host_drive(h):
    """A drive of the host's: kept in the settings with its pass-through; what cannot be one is refused, at the latest at the start."""
    h.ok("createvm", "--name", "m", "--register")
    h.ok("modifyvm", "m", "--memory", "32", "--vram", "8", "--nic1", "none")
    h.ok("storagectl", "m", "--name", "IDE", "--add", "ide")
    h.ok("storagectl", "m", "--name", "Floppy", "--add", "floppy")
    settings = os.path.join(h.vms, "m", "m.vbox")
    with open(settings, encoding="utf-8") as f:
        before = f.read()
    nothing = os.path.join(h.top, "nothing")
    for words, reason in ((("--type", "dvddrive", "--medium", f"host:{nothing}"), f"Host drive '{nothing}' cannot be used: No such file or directory"),
                          (("--type", "hdd", "--medium", "host:/dev/null"), "Host drive '/dev/null' cannot be used: only CD and DVD drives can")):
        r = change(h, "IDE", 1, *words)
        check(r.rc == 1 and r.err == f"VBoxManage: error: {reason}\n", repr(r))
    r = change(h, "Floppy", 0, "--type", "dvddrive", "--medium", "host:/dev/null")
    check(r.rc == 1 and "A DVD drive cannot be attached to the controller 'Floppy'" in r.err, repr(r))
    with open(settings, encoding="utf-8") as f:
        check(f.read() == before, "what was refused has changed the settings")
    file = image(h, "no-device", 4)
    for drive, why in (("/dev/null", "it is no drive that takes SCSI commands"), (file, "it is not a device")):
        r = change(h, "IDE", 1, "--type", "dvddrive", "--medium", f"host:{drive}", "--passthrough", "on")
        check(r.rc == 0 and h.info("m")["IDE-1-0"] == drive, repr(r))
        with open(settings, encoding="utf-8") as f:
            text = f.read()
        check(f'<HostDrive src="{drive}"/>' in text and 'passthrough="true"' in text, text)
        r = h("startvm", "m", "--type", "headless")
        check(r.rc == 1 and f"The host drive '{drive}' cannot be used: {why}" in r.err, repr(r))
    r = change(h, "IDE", 1, "--medium", "emptydrive")
    check(r.rc == 0 and h.info("m")["IDE-1-0"] == "emptydrive", repr(r))
    h.ok("startvm", "m", "--type", "headless")
    h.wait_state("m", "running", 30)
    r = change(h, "IDE", 1, "--medium", "host:/dev/null")
    check(r.rc == 1 and h.info("m")["IDE-1-0"] == "emptydrive", repr(r))
    h.ok("controlvm", "m", "poweroff")


main(changes, host_cache, host_drive)
