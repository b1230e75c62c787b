#!/usr/bin/env python3
"""debug_test.py - debugvm on a machine that sits in its BIOS: registers, NMI, core files as readelf and gdb see them, the log's settings.
What it finds out about a guest's system is in test/guests/run-vboxmanage."""
import os
import re
import subprocess
import time
from xml.etree import ElementTree

from golden import com_error, same, syntax_error
from manage import check, main


def debug(h, *words):
    return h.ok("debugvm", "m", *words)


def registers(h):
    return dict(re.findall(r"^(\w+) = 0x([0-9a-f]+)$", debug(h, "getregisters"), re.M))


def refused(h, text, code, *words):
    com_error(h("debugvm", "m", *words), text, code, "MachineDebuggerWrap", "IMachineDebugger")


def set_registers(h):
    debug(h, "setregisters", "rax=0x1122334455667788", "cpu0.rbx=17")
    now = registers(h)
    same((now["rax"], now["rbx"]), ("1122334455667788", "0000000000000011"))
    refused(h, "Register 'rip' cannot become 'abc': it is no number", "E_INVALIDARG (0x80070057)", "setregisters", "rip=abc")
    refused(h, "Register 'cr0' cannot become '0x80000000': the processor does not allow it", "E_INVALIDARG (0x80070057)", "setregisters",
            "cr0=0x80000000")
    refused(h, "There is no CPU 7; the machine has 1", "E_INVALIDARG (0x80070057)", "setregisters", "--cpu=7", "rax=1")
    syntax_error(h("debugvm", "m", "setregisters", "rax"), "setregisters: 'rax' is not of the form register=value")
    same(registers(h), now)


def core(h):
    path = os.path.join(h.top, "m.core")
    before = registers(h)
    same(debug(h, "dumpvmcore", "--filename", path), "")
    same(registers(h), before)
    notes = subprocess.run(["readelf", "-hln", path], capture_output=True, text=True, check=True).stdout
    check("CORE (Core file)" in notes and "Advanced Micro Devices X86-64" in notes, notes)
    same(re.findall(r"^\s+(VBCORE|VBCPU|CORE)\s", notes, re.M), ["VBCORE", "VBCPU", "CORE"])
    same([int(size, 16) for size in re.findall(r"LOAD\s+0x\S+ 0x\S+ 0x\S+\s+0x(\S+)", notes)], [0xa0000, (32 << 20) - 0xc0000])
    said = subprocess.run(["gdb", "-batch", "-nx", "-ex", "p/x $rax", "-ex", "p/x $rip", "-ex", "x/5xb 0xffff0", "-c", path], capture_output=True,
                          text=True, check=True).stdout
    check("= 0x1122334455667788" in said, said)
    base = int(re.search(r"cs=\{\S+ base=(\w+)", debug(h, "info", "cpumguest"))[1], 16)
    check(f"= {int(before['rip'], 16) + base:#x}" in said, said)
    check(re.search(r"0xffff0:\s0xea\s0x5b\s0xe0\s0x00\s0xf0", said), said)  # SeaBIOS's jump at the reset vector
    r = h("debugvm", "m", "dumpvmcore", "--filename", path)
    check(r.rc == 1 and "(VERR_ALREADY_EXISTS)" in r.err, repr(r))
    bad = os.path.join(h.top, "bad.core")
    refused(h, "The compression parameter must be empty", "E_INVALIDARG (0x80070057)", "dumpvmcore", "--filename", bad, "--compression", "x")
    check(not os.path.exists(bad), "a failure left the file")
    syntax_error(h("debugvm", "m", "dumpvmcore"), "The --filename is required")


def no_system(h):
    for verb in ("osdetect", "osinfo"):
        refused(h, "DBGFR3OSDetect failed with VINF_DBGF_OS_NOT_DETCTED", "VBOX_E_VM_ERROR (0x80bb0003)", verb)
    refused(h, "The dmesg interface isn't implemented by guest OS digger, or detectOS() has not been called", "E_FAIL (0x80004005)", "osdmesg")


def logs(h):
    same(debug(h, "show", "log-settings"), f"{'VBOX_RELEASE_LOG':>27}=\n{'VBOX_RELEASE_LOG_FLAGS':>27}=enabled\n{'VBOX_RELEASE_LOG_DEST':>27}=file\n")
    debug(h, "log", "+pgm.e.l2", "+em.f")
    debug(h, "logflags", "disabled")
    debug(h, "logdest", "nofile", "stderr")
    same(debug(h, "show", "--sh-export", "logrel-settings"), "export VBOX_RELEASE_LOG='em.f pgm.l2'\nexport VBOX_RELEASE_LOG_FLAGS='disabled'\n"
         "export VBOX_RELEASE_LOG_DEST='stderr'\n")
    debug(h, "log", "--", "-all")
    debug(h, "logflags", "enabled")
    debug(h, "logdest", "file nostderr")
    same(debug(h, "show", "--cmd-set", "logrel-settings"), "set VBOX_RELEASE_LOG=\nset VBOX_RELEASE_LOG_FLAGS=enabled\nset VBOX_RELEASE_LOG_DEST=file\n")
    refused(h, "'com' is no log destination; \"file\", \"nofile\", \"stderr\" and \"nostderr\" are here", "E_INVALIDARG (0x80070057)", "logdest", "com")
    syntax_error(h("debugvm", "m", "show", "frob"), "Invalid parameter 'frob'")
    same(h.ok("internalcommands", "debuglog", "m", "--disable", "--groups", "+tm"), "")
    same(debug(h, "show", "--sh-eval", "log-settings"), "VBOX_RELEASE_LOG='tm.l1'\nVBOX_RELEASE_LOG_FLAGS='disabled'\nVBOX_RELEASE_LOG_DEST='file'\n")


def statistics(h):
    """An XML document, as xml.etree reads it."""
    every = ElementTree.fromstring(debug(h, "statistics"))
    check(every.tag == "Statistics" and len(every) > 20 and all(e.get("name").startswith("/") and e.get("unit") for e in every), "the statistics")
    check(not any("desc" in e.attrib for e in every), "descriptions nobody asked for")
    some = ElementTree.fromstring(debug(h, "statistics", "--descriptions", "--pattern", "/TM/*|/PIT*"))
    check(0 < len(some) < len(every) and any(e.get("desc") for e in some), "the descriptions")
    check(len(ElementTree.fromstring(debug(h, "statistics", "--pattern", "/Nothing"))) == 0, "a pattern nothing matches")
    same(debug(h, "statistics", "--reset"), "")


def debugging(h):
    h.ok("createvm", "--name", "m", "--register")
    h.ok("modifyvm", "m", "--memory", "32", "--vram", "8", "--nic1", "none")
    r = h("debugvm", "m", "injectnmi")
    same((r.rc, r.err), (1, "VBoxManage: error: Machine 'm' is not currently running.\n"))
    h.ok("startvm", "m", "--type", "headless")
    end = time.monotonic() + 30
    while "activity=1" not in debug(h, "info", "cpumguest"):  # the BIOS has found nothing to boot and halts
        check(time.monotonic() < end, "the BIOS does not halt")
        time.sleep(0.2)
    h.ok("controlvm", "m", "pause")
    set_registers(h)
    core(h)
    no_system(h)
    logs(h)
    statistics(h)
    same(debug(h, "injectnmi"), "")
    check("NMI" in debug(h, "info", "trpmevent").upper(), debug(h, "info", "trpmevent"))
    refused(h, "Injecting the NMI failed: another event is still waiting", "VBOX_E_VM_ERROR (0x80bb0003)", "injectnmi")
    same(h.info("m")["VMState"], "paused")
    h.ok("controlvm", "m", "poweroff")


main(debugging)
