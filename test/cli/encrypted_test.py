#!/usr/bin/env python3
"""encrypted_test.py - a machine on an encrypted disk: it stands until the password comes, and that is found in no file."""
import os
import re
import subprocess
import time

from golden import com_error
from manage import BIN, check, main

TOOL = os.path.join(BIN, "..", "test", "cli", "disk_tool")
PASSWORD = "canary-7f31 of the disk"


def tool(*args):
    return subprocess.run([TOOL, *args], capture_output=True, text=True, check=True).stdout.strip()


def build(h, image):
    disk, serial = os.path.join(h.top, "d.vdi"), os.path.join(h.top, "serial")
    h.ok("convertfromraw", image, disk)
    store = tool("keystore", PASSWORD)
    tool("encrypt", store, PASSWORD, f"VDI:{disk}")
    for name, text in (("right", PASSWORD), ("wrong", "canary")):
        with open(os.path.join(h.top, name), "w", encoding="ascii") as f:
            f.write(text + "\n")
    h.ok("createvm", "--name", "m", "--ostype", "Other_64", "--register")
    h.ok("modifyvm", "m", "--memory", "64", "--vram", "8", "--nic1", "none", "--boot1", "disk", "--uart1", "0x3f8", "4", "--uartmode1", "file", serial)
    h.ok("storagectl", "m", "--name", "IDE", "--add", "ide")
    h.ok("storageattach", "m", "--storagectl", "IDE", "--port", "0", "--device", "0", "--type", "hdd", "--medium", disk)
    for key, val in (("KeyStore", store), ("KeyId", "mine")):
        h.ok("mediumproperty", "disk", "set", disk, f"CRYPT/{key}", val)
    return serial


def boots(h):
    """barebox: a guest that says on its serial line whether its disk was read right."""
    serial = build(h, os.path.join(BIN, "..", "test", "guests", "barebox", "barebox.img"))
    h.ok("startvm", "m", "--type", "headless")
    h.wait_state("m", "paused", 60)
    log = os.path.join(h.vms, "m", "Logs", "VBox.log")
    with open(log, encoding="utf-8") as f:
        check("Raising runtime error 'DrvVD_DEKMISSING': VD: The DEK for this disk is missing" in f.read(), "the log does not say why")
    com_error(h("controlvm", "m", "addencpassword", "mine", "wrong"), f"Disk image '{h.top}/d.vdi': The password of the disk is wrong; try again: "
              "The password is wrong (VERR_VD_PASSWORD_INCORRECT)", "VBOX_E_PASSWORD_INCORRECT (0x80bb000d)", "ConsoleWrap", "IConsole")
    com_error(h("controlvm", "m", "addencpassword", "other", "right"), "No disk of this machine is encrypted with a password called 'other'",
              "VBOX_E_OBJECT_NOT_FOUND (0x80bb0001)", "ConsoleWrap", "IConsole")
    check(h.info("m")["VMState"] == "paused", "it goes on without a password")
    h.ok("controlvm", "m", "addencpassword", "mine", "right")
    end = time.monotonic() + 120
    text = ""
    while not re.search(r"barebox: (passed|FAILED)", text):
        check(time.monotonic() < end, f"the guest says: {text}")
        time.sleep(0.3)
        with open(serial, encoding="latin-1") as f:
            text = f.read()
    check("FAIL" not in text, text)
    h.wait_state("m", "poweroff", 60)
    with open(log, encoding="utf-8") as f:
        check("canary" not in f.read(), "the log has the password")


def in_no_file(h):
    image = os.path.join(h.top, "idle")
    with open(image, "wb") as f:
        f.write(b"\xfb\xf4\xeb\xfc".ljust(510, b"\0") + b"\x55\xaa" + bytes((1 << 20) - 512))  # sti, hlt, again
    build(h, image)
    h.ok("startvm", "m", "--type", "headless")
    h.wait_state("m", "paused", 60)
    h.ok("controlvm", "m", "addencpassword", "mine", "right", "--removeonsuspend", "yes")
    h.wait_state("m", "running", 60)
    com = h("controlvm", "m", "removeencpassword", "mine")
    check(com.rc == 1 and "pause it first" in com.err, repr(com))
    h.ok("controlvm", "m", "pause")
    pid = h.pids("VBoxHeadless")[0]
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        check(b"canary" not in f.read(), "the arguments have the password")
    for folder, _, files in os.walk(h.top):
        for name in files:
            if not os.path.isfile(os.path.join(folder, name)):
                continue
            with open(os.path.join(folder, name), "rb") as f:
                check(name in ("right", "wrong") or b"canary-7f31" not in f.read(), f"{name} has the password")
    with open(f"/proc/{pid}/limits", encoding="ascii") as f:
        check(re.search(r"^Max core file size +0 +0 ", f.read(), re.M), "a core file could have the password")
    h.ok("controlvm", "m", "reset")  # the firmware reads the disk again
    h.ok("controlvm", "m", "resume")
    h.wait_state("m", "paused", 60)
    h.ok("controlvm", "m", "addencpassword", "mine", "right")
    h.wait_state("m", "running", 60)
    h.ok("controlvm", "m", "pause")
    h.ok("controlvm", "m", "removeencpassword", "mine")
    h.ok("controlvm", "m", "removeallencpasswords")
    h.ok("controlvm", "m", "poweroff")


main(boots, in_no_file)
