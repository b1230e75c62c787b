#!/usr/bin/env python3
"""savedstate_test.py - savestate, adoptstate, discardstate: a guest that counts goes on in another machine, or stays saved with the reason why not."""
import os
import re
import shutil
import time

from golden import com_error, same, syntax_error
from manage import Home, check, main
from teleport_test import disk_of


def machine(h, name, disk, *more):
    """They differ in name, UUID and serial file: in nothing the guest sees."""
    h.ok("createvm", "--name", name, "--register")
    h.ok("modifyvm", name, "--memory", "64", "--vram", "8", "--nic1", "none", "--boot1", "disk", "--uart1", "0x3f8", "4", "--uartmode1", "file",
         serial(h, name), *more)
    h.ok("storagectl", name, "--name", "IDE", "--add", "ide")
    h.ok("storageattach", name, "--storagectl", "IDE", "--port", "0", "--device", "0", "--type", "hdd", "--medium", disk)


def serial(h, name):
    return os.path.join(h.top, f"serial-{name}")


def counts(h, name):
    """All numbers the guest has said in this start."""
    try:
        with open(serial(h, name), encoding="ascii") as f:
            text = f.read()
    except FileNotFoundError:
        return []
    check("ERROR" not in text, "the guest found its memory or its disk changed")
    return [int(n, 16) for n in re.findall(r"^([0-9a-f]{8})$", text, re.M)]


def run_until(h, name, count):
    h.ok("startvm", name, "--type", "headless")
    end = time.monotonic() + 60
    while not counts(h, name) or counts(h, name)[-1] < count:
        check(time.monotonic() < end, f"{name} does not count: {counts(h, name)[-3:]}")
        time.sleep(0.1)


def saved(h):
    """A machine saved while its guest counted, a copy of its state, and how far it had come."""
    disk = disk_of(h)
    machine(h, "a", disk)
    run_until(h, "a", 20)
    h.ok("controlvm", "a", "savestate")
    state = os.path.join(h.top, "copy.sav")
    shutil.copyfile(h.info("a")["VMStateFile"], state)
    return disk, state, counts(h, "a")[-1]


def adopted(h):
    """By a machine of another user with the same disk."""
    disk, state, count = saved(h)
    with Home() as o:
        machine(o, "b", disk)
        o.ok("setextradata", "b", "VBoxInternal/RawMode", "off")  # how it runs is nothing the guest sees
        same(o.ok("adoptstate", "b", state), "")
        info = o.info("b")
        same((info["VMState"], info["VMStateFile"]), ("saved", state))
        com_error(o("adoptstate", "b", state), "Cannot adopt the saved state: the machine is not in Powered Off or Aborted state (machine state: Saved)",
                  "VBOX_E_INVALID_VM_STATE (0x80bb0002)", "SessionMachine", "IMachine")
        run_until(o, "b", count + 20)
        check(count <= counts(o, "b")[0] <= count + 2, f"saved at {count}, goes on at {counts(o, 'b')[0]}")
        o.ok("controlvm", "b", "poweroff")
        same(o.info("b")["VMState"], "poweroff")


def refused(h):
    """The reason is told, the state stays, and discarding it is what ends it."""
    disk, state, count = saved(h)
    with open(state, "rb") as f:
        contents = f.read()
    with Home() as o:
        o.ok("createvm", "--name", "bare", "--register")
        o.ok("modifyvm", "bare", "--memory", "64", "--vram", "8", "--nic1", "none")
        machine(o, "b", disk)
        machine_fits = ("--memory", "64")
        cases = (("bare", contents, "another configuration", machine_fits), ("b", contents, "another configuration", ("--memory", "128")),
                 ("b", b"no state" * 1000, "does not begin as a saved state", machine_fits),
                 ("b", contents[:len(contents) // 2], "its end is missing", machine_fits))
        for name, bad, reason, change in cases:
            o.ok("modifyvm", name, *change)
            with open(state, "wb") as f:
                f.write(bad)
            o.ok("adoptstate", name, state)
            r = o("startvm", name, "--type", "headless")
            check(r.rc == 1 and reason in r.err, f"{name}: {r}")
            same(o.info(name)["VMState"], "saved")
            with open(state, "rb") as f:
                check(f.read() == bad, f"{name}: the state was changed")
            o.ok("discardstate", name)
            same(o.info(name)["VMState"], "poweroff")
            check(not os.path.exists(state), "the discarded state is still there")
        with open(state, "wb") as f:
            f.write(contents)
        o.ok("modifyvm", "b", *machine_fits)
        o.ok("adoptstate", "b", state)
        run_until(o, "b", count + 5)
        o.ok("controlvm", "b", "poweroff")


def not_mutable(r):
    check(r.rc == 1 and r.err.startswith("VBoxManage: error: The machine is not mutable (state is Saved)\n"
                                         "VBoxManage: error: Details: code VBOX_E_INVALID_VM_STATE (0x80bb0002), "), repr(r))


def kept(h):
    """What the state was made with does not change under it; the rest does, as VirtualBox has it."""
    disk, filters = disk_of(h), ("usbfilter", "add", "0", "--target", "a", "--name", "f", "--vendorid", "1234")
    machine(h, "a", disk, "--nic2", "nat", "--rtc-use-utc", "on")
    h.ok("startvm", "a", "--type", "headless")
    h.ok("controlvm", "a", "savestate")
    with open(os.path.join(h.vms, "a", "a.vbox"), encoding="utf-8") as f:
        before = f.read()
    for words in (("--memory", "128"), ("--cpus", "2"), ("--ostype", "Debian_64"), ("--firmware", "efi"), ("--boot1", "dvd"), ("--vram", "9"), ("--pae", "off"),
                  ("--clipboard-mode", "bidirectional"), ("--nic1", "nat"), ("--nic2", "bridged"), ("--mac-address2", "080027000001"), ("--uart2", "0x2f8", "3"), ("--cpu-execution-cap", "50"),
                  ("--snapshot-folder", "default"), ("--hardware-uuid", "00112233-4455-6677-8899-aabbccddeeff"), ("--tracing-enabled", "on"),
                  ("--teleporter", "on"), ("--rtc-use-utc", "on")):
        not_mutable(h("modifyvm", "a", *words))
    attach = ("storageattach", "a", "--storagectl", "IDE", "--port", "0", "--device", "0")
    for words in ((*attach, "--medium", "none"), ("storagectl", "a", "--name", "SATA", "--add", "sata"), ("storagectl", "a", "--name", "IDE", "--remove"),
                  ("sharedfolder", "add", "a", "--name", "s", "--hostpath", "/tmp")):
        not_mutable(h(*words))
    with open(os.path.join(h.vms, "a", "a.vbox"), encoding="utf-8") as f:
        same(f.read(), before)
    for words in (("--description", "d"), ("--groups", "/g"), ("--bridge-adapter2", "eth0"), ("--cable-connected2", "off"), ("--nic-promisc2", "allow-all"),
                  ("--vrde", "on"), ("--vrde-port", "5001"), ("--vrde-auth-type", "external"), ("--teleporter-port", "6000"), ("--uart-mode1", "disconnected"),
                  ("--autostart-enabled", "on"), ("--default-frontend", "headless"), ("--recording", "on"), ("--audio-in", "on"), ("--natpf2", "r,tcp,,22,,22"),
                  ("--teleporter", "off"), ("--rtc-use-utc", "off")):  # cleared, not set
        h.ok("modifyvm", "a", *words)
    h.ok(*filters)
    h.ok("setextradata", "a", "k", "v")
    h.ok("guestproperty", "set", "a", "/k", "v")
    h.ok("bandwidthctl", "a", "add", "g", "--type", "network", "--limit", "1M")
    h.ok("modifyvm", "a", "--name", "other")
    same((h.info("other")["VMState"], h.info("other")["rtcuseutc"]), ("saved", "off"))
    h.ok("startvm", "other", "--type", "headless")
    h.ok("controlvm", "other", "poweroff")


def words(h):
    h.ok("createvm", "--name", "m", "--register")
    syntax_error(h("discardstate"), "Incorrect number of parameters")
    syntax_error(h("adoptstate", "m"), "Incorrect number of parameters")
    com_error(h("discardstate", "m"), "Cannot discard the saved state: the machine is not in a saved state (machine state: PoweredOff)",
              "VBOX_E_INVALID_VM_STATE (0x80bb0002)", "SessionMachine", "IMachine")
    com_error(h("adoptstate", "m", "none.sav"), f"Invalid saved state file path '{h.top}/none.sav' (VERR_FILE_NOT_FOUND)",
              "VBOX_E_FILE_ERROR (0x80bb0004)", "SessionMachine", "IMachine")
    com_error(h("adoptstate", "m", h.top), f"Invalid saved state file path '{h.top}' (VERR_FILE_NOT_FOUND)",
              "VBOX_E_FILE_ERROR (0x80bb0004)", "SessionMachine", "IMachine")
    h.ok("modifyvm", "m", "--memory", "32", "--vram", "8", "--hardware-uuid", "00112233-4455-6677-8899-aabbccddeeff")
    h.ok("startvm", "m", "--type", "headless")
    with open(os.path.join(h.vms, "m", "Logs", "VBox.log"), encoding="utf-8") as f:
        check(re.search(r'UUID +<bytes> += "00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff"', f.read()), "the guest gets another UUID")
    check(h("adoptstate", "m", "none.sav").rc == 1 and h("discardstate", "m").rc == 1, "of a running machine")
    h.ok("controlvm", "m", "poweroff")


if __name__ == "__main__":
    main(words, kept, adopted, refused)
