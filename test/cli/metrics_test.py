#!/usr/bin/env python3
"""metrics_test.py - metrics, debugvm, and the commands whose part is not here: output, errors, exit codes."""
import json
import os
import re
import time

from golden import com_error, same, syntax_error
from manage import check, main


def host_metrics(h):
    head = "Object          Metric                                   Unit    Minimum    Maximum     Period      Count Description\n"
    out = h.ok("metrics", "list", "host")
    check(out.startswith(head) and re.search(r"^host            RAM/Usage/Free:avg +kB ", out, re.M), out)
    h.ok("metrics", "setup", "--period", "1", "--samples", "3", "host", "RAM/Usage/*,CPU/Load/User")
    time.sleep(1.2)
    out = h.ok("metrics", "query", "host")
    check(out.startswith("Object          Metric                                   Values\n"), out)
    check(re.search(r"^host            RAM/Usage/Total +\d+ kB(, \d+ kB)*$", out, re.M) and re.search(r"^host            CPU/Load/User:avg +\d+\.\d\d%$", out, re.M), out)
    check("CPU/Load/Idle" not in out, "what was not set up is measured")
    total, = [m for m in json.loads(h.ok("metrics", "query", "host", "RAM/Usage/Total", "--json")) if m["Samples"]]
    with open("/proc/meminfo", encoding="ascii") as f:
        same(total["Samples"][-1], int(f.readline().split()[1]))
    same(h.ok("metrics", "disable", "--list", "host", "RAM/Usage/Total"),
         "The following metrics were modified:\n\nObject          Metric\n--------------- ----------------------------------------\n"
         "host            RAM/Usage/Total                         \n")
    com_error(h("metrics", "query", "nobody"), "Could not find a registered machine named 'nobody'", "VBOX_E_OBJECT_NOT_FOUND (0x80bb0001)",
              "PerformanceCollectorWrap", "IPerformanceCollector")
    syntax_error(h("metrics"), "Subcommand missing")
    syntax_error(h("metrics", "setup", "--samples", "0"), "Invalid value '0' of --samples")


def machine_metrics_and_debugger(h):
    h.ok("createvm", "--name", "m", "--register")
    h.ok("modifyvm", "m", "--memory", "32", "--vram", "8")
    h.ok("metrics", "setup", "m")
    same(h.ok("metrics", "query", "m", "RAM/Usage/Used").splitlines()[2:], [])  # it does not run
    h.ok("startvm", "m", "--type", "headless")
    end = time.monotonic() + 10
    while not re.search(r"^m +RAM/Usage/Used +\d{3,} kB$", h.ok("metrics", "query", "m"), re.M):
        check(time.monotonic() < end, h.ok("metrics", "query", "m"))
        time.sleep(0.2)
    check(re.search(r"^rip = 0x[0-9a-f]+$", h.ok("debugvm", "m", "getregisters"), re.M), h.ok("debugvm", "m", "getregisters"))
    same(len(h.ok("debugvm", "m", "getregisters", "cpu.rip").splitlines()), 1)
    check("rip" in h.ok("debugvm", "m", "info", "cpumguest"), "info")
    h.ok("debugvm", "m", "log", "+pdm.e")
    r = h("debugvm", "m", "log", "nonsense.e")
    check(r.rc == 1 and "E_INVALIDARG" in r.err, repr(r))
    for words in (("injectnmi",), ("osdetect",), ("osdmesg",), ("dumpvmcore", "--filename", "x"), ("setregisters", "rax=1")):
        r = h("debugvm", "m", *words)
        check(r.rc == 1 and "E_NOTIMPL (0x80004001)" in r.err, repr(r))
    syntax_error(h("debugvm", "m", "dumpvmcore"), "The --filename is required")
    syntax_error(h("debugvm", "m", "frob"), "Invalid parameter 'frob'")
    r = h("guestcontrol", "m", "run", "/bin/ls")
    same((r.rc, r.err), (1, "VBoxManage: error: The guest execution service is not ready (yet)\n"))


def absent(h):
    h.ok("createvm", "--name", "m", "--register")
    r = h("guestcontrol", "m", "run", "/bin/ls")
    same((r.rc, r.err), (1, 'VBoxManage: error: Machine "m" is not running (currently powered off)!\n'))
    r = h("extpack", "install", "/no/such.vbox-extpack")
    same((r.rc, r.err), (1, "VBoxManage: error: Failed to open the extension pack '/no/such.vbox-extpack' (VERR_FILE_NOT_FOUND)\n"))
    same(h.ok("extpack", "cleanup"), "Successfully performed extension pack cleanup\n")
    same(h.ok("list", "extpacks"), "Extension Packs: 0\n")
    for words in (("cloud", "list"), ("cloudprofile", "show"), ("signova", "x.ova"), ("modifynvram", "m", "listvars"), ("encryptvm", "m", "x"),
                  ("updatecheck", "list"), ("unattended", "install", "m", "--iso=/x.iso"), ("extpack", "uninstall", "x")):
        r = h(*words)
        check(r.rc == 1 and re.fullmatch("VBoxManage: error: [^\n]+\n", r.err) and r.out == "", f"{words}: {r!r}")
        check(h(words[0]).rc == 2, f"{words[0]} without arguments")
    iso = os.path.join(h.top, "x.iso")
    with open(iso, "wb") as f:
        f.write(bytes(4096))
    same(h.ok("unattended", "detect", "--iso", iso),
         f"VBoxManage: info: Detected '{iso}' to be:\n    OS TypeId    = \n    OS Version   = \n    OS Flavor    = \n    OS Languages = \n"
         "    OS Hints     = \n    Unattended installation supported = no\n")


main(host_metrics, machine_metrics_and_debugger, absent)
