#!/usr/bin/env python3
"""iscsi_test.py - storageattach --medium iscsi: the target is tgt's, its disk boots a guest; the secret is shown nowhere.

A target that is slow, or never answers, keeps nobody but who has asked for it.
"""
import os
import re
import signal
import socket
import sys
import threading
import time

from golden import UUID, com_error, same, syntax_error
from manage import BIN, Failure, check, main
from tgt import SECRET, TARGET, Target

IMAGE = os.path.join(BIN, "..", "test", "guests", "barebox", "barebox.img")


def machine(h, name, serial):
    h.ok("createvm", "--name", name, "--ostype", "Other_64", "--register")
    h.ok("modifyvm", name, "--memory", "64", "--vram", "8", "--nic1", "none", "--boot1", "disk", "--uart1", "0x3f8", "4", "--uartmode1", "file", serial)
    h.ok("storagectl", name, "--name", "IDE", "--add", "ide")


def attach(h, name, *words):
    return h("storageattach", name, "--storagectl", "IDE", "--port", "0", "--device", "0", "--type", "hdd", "--medium", "iscsi", *words)


def failed(r, text):
    check(r.rc == 1 and r.err == f"VBoxManage: error: {text}\n" and r.out == "", repr(r))


def options(h):
    machine(h, "m", os.path.join(h.top, "serial"))
    where = ("--server", "127.0.0.1", "--target", TARGET)
    with open(os.path.join(h.vms, "m", "m.vbox"), encoding="utf-8") as f:
        before = f.read()
    failed(attach(h, "m"), "--server and --target are required for iSCSI media")
    failed(attach(h, "m", *where, "--lun", "1", "--encodedlun", "0001000000000000"), "--lun and --encodedlun name the same thing; give one of them")
    failed(attach(h, "m", *where, "--password", "a", "--passwordfile", "b"), "--password and --passwordfile name the same thing; give one of them")
    failed(attach(h, "m", *where, "--passwordfile", "nothing"), "Could not read a password from 'nothing'")
    failed(attach(h, "m", *where, "--tport", "70000"), "Invalid --tport argument '70000' (a TCP port)")
    com_error(attach(h, "m", *where, "--lun", "20000"), "Invalid logical unit '20000' (a number up to 16383, or \"enc\" and 16 digits of one level)",
              "E_INVALIDARG (0x80070057)", "MediumWrap", "IMedium")
    syntax_error(attach(h, "m", *where, "--host", "x"), "Unknown option: --host")
    same(h.ok("list", "hdds"), "")  # nothing is left of them
    with open(os.path.join(h.vms, "m", "m.vbox"), encoding="utf-8") as f:
        same(f.read(), before)
    # all of it, as VirtualBox writes it
    r = attach(h, "m", *where, "--tport", "3999", "--encodedlun", "0007000000000000", "--username", "u", "--password", SECRET, "--initiator", "iqn.me", "--intnet")
    check(r.rc == 0, repr(r))
    with open(os.path.join(h.vms, "m", "m.vbox"), encoding="utf-8") as f:
        text = f.read()
    found = re.search(r'<HardDisk uuid="\{' + UUID + r'\}" location="([^"]*)" format="iSCSI" type="Normal">(.*?)</HardDisk>', text, re.S)
    check(found, text)
    same(found[1], f"127.0.0.1|{TARGET}|enc0007000000000000")
    same(dict(re.findall(r'<Property name="(\w+)" value="([^"]*)"/>', found[2])), {
        "TargetAddress": "127.0.0.1:3999", "TargetName": TARGET, "LUN": "enc0007000000000000", "InitiatorUsername": "u", "InitiatorSecret": SECRET,
        "InitiatorName": "iqn.me", "HostIPStack": "0"})
    r = h("startvm", "m", "--type", "headless")
    check(r.rc == 1 and "there is no internal network for it; take the host's network" in r.err and "canary" not in repr(r), repr(r))


def capacity(h, uuid):
    """The target is asked by a thread: until it has answered, nothing is known."""
    end = time.monotonic() + 60
    while True:
        text = h.ok("showmediuminfo", uuid)
        if "State:          created" in text:
            return text
        if time.monotonic() > end:
            raise Failure(text)
        time.sleep(0.2)


def nothing_shown(h, uuid):
    for words in (("showmediuminfo", uuid), ("showmediuminfo", uuid, "--json"), ("list", "hdds", "--long"), ("list", "hdds", "--json"),
                  ("showvminfo", "m", "--json"), ("showvminfo", "m", "--details")):
        text = h.ok(*words)
        check("canary" not in text, f"{words}: {text}")
    com_error(h("mediumproperty", "disk", "get", uuid, "InitiatorSecret"), "The property 'InitiatorSecret' is a secret and is not shown",
              "E_ACCESSDENIED (0x80070005)", "MediumWrap", "IMedium")
    same(h.ok("mediumproperty", "disk", "get", uuid, "InitiatorUsername"), "InitiatorUsername=alice\n")


def boots(h):
    serial = os.path.join(h.top, "serial")
    with Target(h, IMAGE) as target:
        machine(h, "m", serial)
        with open(os.path.join(h.top, "secret"), "w", encoding="ascii") as f:
            f.write(SECRET + "\n")
        where = ("--server", "127.0.0.1", "--tport", str(target.port), "--target", TARGET, "--lun", "1", "--username", "alice")
        r = attach(h, "m", *where, "--passwordfile", "secret")
        check(r.rc == 0, repr(r))
        info = h.info("m")
        same(info["IDE-0-0"], f"127.0.0.1|{TARGET}|1")
        uuid = info["IDE-ImageUUID-0-0"]
        com_error(attach(h, "m", *where), f"Cannot register the hard disk '127.0.0.1|{TARGET}|1' because a hard disk '127.0.0.1|{TARGET}|1' with UUID "
                  f"{{{uuid}}} already exists", "E_INVALIDARG (0x80070057)", "VirtualBoxWrap", "IVirtualBox")
        h.stop()  # the next service has it from the file
        text = capacity(h, uuid)
        check(f"Capacity:       {os.path.getsize(IMAGE) >> 20} MBytes" in text and "Storage format: iSCSI" in text, text)
        nothing_shown(h, uuid)
        check(os.stat(os.path.join(h.vms, "m", "m.vbox")).st_mode & 0o77 == 0, "others may read the settings")
        com_error(h("closemedium", uuid, "--delete"), f"The medium '127.0.0.1|{TARGET}|1' is no file and cannot be deleted; close it without deleting",
                  "VBOX_E_NOT_SUPPORTED (0x80bb0009)", "MediumWrap", "IMedium")
        h.ok("startvm", "m", "--type", "headless")
        pid = h.pids("VBoxHeadless")
        for one in pid:
            with open(f"/proc/{one}/cmdline", "rb") as f:
                check(b"canary" not in f.read(), "the arguments have the secret")
        end, text = time.monotonic() + 180, ""
        while not re.search(r"barebox: (passed|FAILED)", text):
            check(time.monotonic() < end, f"the guest says: {text}")
            time.sleep(0.3)
            if os.path.exists(serial):
                with open(serial, encoding="latin-1") as f:
                    text = f.read()
        check("FAIL" not in text, text)
        h.wait_state("m", "poweroff", 60)
        with open(os.path.join(h.vms, "m", "Logs", "VBox.log"), encoding="utf-8") as f:
            check("canary" not in f.read(), "the log has the secret")
        h.ok("export", "m", "--output", "m.ovf", seconds=180)
        with open(os.path.join(h.top, "m.ovf"), encoding="utf-8") as f:
            check("canary" not in f.read(), "the appliance has the secret")
        r = h("modifymedium", "disk", uuid, "--property", "InitiatorSecret=wrong-canary")
        check(r.rc == 0, repr(r))
        r = h("startvm", "m", "--type", "headless")
        check(r.rc == 1 and "no session with the target" in r.err and "canary" not in repr(r), repr(r))
        h.ok("unregistervm", "m", "--delete")
        check(os.path.exists(target.disk) and not os.path.exists(os.path.join(h.vms, "m")), "deleting went too far, or not far enough")


def helper(h):
    """The process that holds the connection; its arguments and environment have no secret."""
    end = time.monotonic() + 20
    while not (found := h.pids("VBoxRemoteDisk")):
        check(time.monotonic() < end, "no process holds the connection")
        time.sleep(0.1)
    check(len(found) == 1, f"{len(found)} processes hold a connection")
    with open(f"/proc/{found[0]}/cmdline", "rb") as f:
        check(b"canary" not in f.read(), "its arguments have the secret")
    return found[0]


def log(h):
    with open(os.path.join(h.vms, "m", "Logs", "VBox.log"), encoding="utf-8") as f:
        text = f.read()
    check("canary" not in text, "the log has the secret")
    return text


def comes_and_goes(h):
    """To a running machine and from it; the process that holds the connection goes with the disk, the machine, or before them."""
    empty = os.path.join(h.top, "empty")
    with open(empty, "wb") as f:
        f.truncate(8 << 20)  # nothing that boots
    with Target(h, empty) as target:
        machine(h, "m", os.path.join(h.top, "serial"))
        h.ok("storagectl", "m", "--name", "SATA", "--add", "sata", "--portcount", "4")
        with open(os.path.join(h.top, "secret"), "w", encoding="ascii") as f:
            f.write(SECRET + "\n")
        where = ("--medium", "iscsi", "--server", "127.0.0.1", "--tport", str(target.port), "--target", TARGET, "--lun", "1", "--username", "alice")
        port = ("storageattach", "m", "--storagectl", "SATA", "--port", "2", "--device", "0", "--type", "hdd")
        h.ok("startvm", "m", "--type", "headless")
        r = h(*port, *where, "--password", "wrong-canary")
        check(r.rc == 1 and "no session with the target" in r.err and "canary" not in repr(r), repr(r))
        h.wait_gone("VBoxRemoteDisk", 20)
        check("SATA-2-0" not in h.info("m") or h.info("m")["SATA-2-0"] == "none", "it is attached all the same")
        r = h(*port, *where, "--passwordfile", "secret")
        check(r.rc == 0, repr(r))
        same(h.info("m")["SATA-2-0"], f"127.0.0.1|{TARGET}|1")
        uuid = h.info("m")["SATA-ImageUUID-2-0"]
        helper(h)
        h.ok(*port[:-2], "--medium", "none")
        h.wait_gone("VBoxRemoteDisk", 20)
        for how in ("poweroff", "kill", "service"):
            if how != "poweroff":
                h.ok("startvm", "m", "--type", "headless")
            h.ok(*port, "--medium", uuid)
            pid = helper(h)
            if how == "service":  # it belongs to the machine, not to who has started it
                os.kill(h.pids("VBoxSVC")[0], signal.SIGKILL)
                h.wait_gone("VBoxSVC", 20)
                same(h.info("m")["VMState"], "running")
                same(helper(h), pid)
            if how == "kill":
                os.kill(h.pids("VBoxHeadless")[0], signal.SIGKILL)
            else:
                h.ok("controlvm", "m", "poweroff", seconds=60)
            h.wait_gone("VBoxRemoteDisk", 20)
            h.wait_state("m", "aborted" if how == "kill" else "poweroff", 60)
            h.ok(*port[:-2], "--medium", "none")
        check("SATA" in log(h), "the log says nothing of it")
        h.ok("startvm", "m", "--type", "headless")
        target.end()
        r = h(*port, "--medium", uuid)
        check(r.rc == 1 and "no session with the target" in r.err, repr(r))
        h.wait_gone("VBoxRemoteDisk", 20)
        same(h.info("m")["VMState"], "running")
        h.ok("controlvm", "m", "poweroff", seconds=60)


def running(h, *more):
    machine(h, "m", os.path.join(h.top, "serial"))
    h.ok("storagectl", "m", "--name", "SATA", "--add", "sata", "--portcount", "4")
    h.ok("startvm", "m", "--type", "headless")
    return ("storageattach", "m", "--storagectl", "SATA", "--port", "2", "--device", "0", "--type", "hdd", "--medium", *more)


def served_meanwhile(h, waits):
    """Others are served while a client waits: the quickest of three, since the host may have other work."""
    took = []
    for _ in range(3):
        began = time.monotonic()
        h.ok("list", "vms")
        took.append(time.monotonic() - began)
    check(min(took) < 1 and max(took) < 5, f"list vms took {took} s")
    check(waits.poll() is None, "it did not wait")


def silent(h):
    """A target that does not answer keeps nobody waiting but who has asked for it."""
    with socket.create_server(("127.0.0.1", 0)) as listens:
        words = running(h, "iscsi", "--server", "127.0.0.1", "--tport", str(listens.getsockname()[1]), "--target", TARGET, "--lun", "1")
        waits = h.popen(*words)
        helper(h)
        served_meanwhile(h, waits)
        err = waits.communicate(timeout=60)[1]
        check(waits.returncode == 1 and "cannot be opened: there is no answer within 10 s" in err, err)
        h.wait_gone("VBoxRemoteDisk", 20)
        for who in ("machine", "client"):  # goes meanwhile
            waits = h.popen(*words)
            helper(h)
            if who == "machine":
                h.ok("controlvm", "m", "poweroff")
            else:
                waits.kill()
            err = waits.communicate(timeout=60)[1]
            check(waits.returncode != 0, err)
            h.wait_gone("VBoxRemoteDisk", 20)
            check(h.info("m").get("SATA-2-0", "none") == "none", "it is attached all the same")
            if who == "machine":
                same(h.info("m")["VMState"], "poweroff")
                h.ok("startvm", "m", "--type", "headless")
        same(h.info("m")["VMState"], "running")
        h.ok("controlvm", "m", "poweroff")


class Late(threading.Thread):
    """In front of a target: connections are taken at once, and go on when `go` is set."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.to, self.go, self.listens = port, threading.Event(), socket.create_server(("127.0.0.1", 0))
        self.port = self.listens.getsockname()[1]
        self.start()

    def run(self):
        while True:
            come = self.listens.accept()[0]
            threading.Thread(target=self.carry, args=(come,), daemon=True).start()

    def carry(self, come):
        self.go.wait()
        on = socket.create_connection(("127.0.0.1", self.to))
        threading.Thread(target=self.copy, args=(on, come), daemon=True).start()
        self.copy(come, on)

    @staticmethod
    def copy(a, b):
        try:
            while data := a.recv(1 << 16):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def late(h):
    """One that answers after a while: the disk is attached then, unless its place was taken meanwhile."""
    empty = os.path.join(h.top, "empty")
    with open(empty, "wb") as f:
        f.truncate(8 << 20)
    with Target(h, empty) as target:
        between = Late(target.port)
        words = running(h, "iscsi", "--server", "127.0.0.1", "--tport", str(between.port), "--target", TARGET, "--lun", "1", "--username", "alice",
                        "--password", SECRET)
        waits = h.popen(*words)
        helper(h)
        served_meanwhile(h, waits)
        between.go.set()
        err = waits.communicate(timeout=60)[1]
        check(waits.returncode == 0, err)
        same(h.info("m")["SATA-2-0"], f"127.0.0.1|{TARGET}|1")
        uuid = h.info("m")["SATA-ImageUUID-2-0"]
        h.ok(*words[:8], "--medium", "none")
        h.wait_gone("VBoxRemoteDisk", 20)
        between.go.clear()
        waits = h.popen(*words[:8], "--type", "hdd", "--medium", uuid)
        helper(h)
        h.ok("createmedium", "--filename", os.path.join(h.top, "d.vdi"), "--size", "8")
        h.ok(*words[:8], "--type", "hdd", "--medium", os.path.join(h.top, "d.vdi"))
        between.go.set()
        err = waits.communicate(timeout=60)[1]
        check(waits.returncode == 1 and "is already attached to port 2, device 0" in err and "canary" not in err, err)
        h.wait_gone("VBoxRemoteDisk", 20)
        same(h.info("m")["SATA-2-0"], os.path.join(h.top, "d.vdi"))
        h.ok("controlvm", "m", "poweroff")


if __name__ == "__main__":
    main(*(globals()[name] for name in sys.argv[1:] or ("options", "boots", "comes_and_goes", "silent", "late")))
