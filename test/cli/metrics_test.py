#!/usr/bin/env python3
"""metrics_test.py - metrics, debugvm, and the commands whose part is not here: output, errors, exit codes."""
import json
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
         "The following metrics were modified:\n\nObject     Metric\n---------- --------------------\nhost       RAM/Usage/Total     \n\n")
    r = h("metrics", "query", "nobody")
    same((r.rc, r.out, r.err), (1, "", "VBoxManage: error: Invalid machine name: 'nobody'\n"))
    r = h("metrics", "enable", "--list", "host", "RAM/None")
    same((r.rc, r.out, r.err), (1, "", "VBoxManage: error: No metrics match the specified filter!\n"))
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
    check(r.rc == 1 and "NS_ERROR_INVALID_ARG" in r.err, repr(r))
    r = h("debugvm", "m", "guestsample", "--filename", "x")
    check(r.rc == 1 and "NS_ERROR_NOT_IMPLEMENTED (0x80004001)" in r.err, repr(r))
    syntax_error(h("debugvm", "m", "frob"), "Invalid parameter 'frob'")


def absent(h):
    """Parts that are not here: arguments are read as if they were, then one line says it."""
    h.ok("createvm", "--name", "m", "--register")
    good = (("signova", "x.ova", "--certificate", "c", "--private-key=k", "--no-pkcs7"), ("modifynvram", "m", "listvars"),
            ("modifynvram", "m", "enrollpk", "--platform-key", "k", "--owner-uuid", "u"), ("modifynvram", "m", "secureboot", "--enable"),
            ("encryptvm", "m", "setencryption", "--new-password", "-", "--new-password-id", "i", "--cipher", "AES-256"), ("encryptvm", "m", "checkpassword", "f"))
    for words in good:
        r = h(*words)
        check(r.rc == 1 and re.fullmatch("VBoxManage: error: [^\n]+\n", r.err) and r.out == "", f"{words}: {r!r}")
        check(h(words[0]).rc == 2, f"{words[0]} without arguments")
    bad = ((("signova", "x.ova", "--certificate", "c"), "Missing required option: --private-key"), (("signova", "x.ova", "y.ova"), "Invalid parameter 'y.ova'"),
           (("modifynvram", "m", "frob"), "Unknown subcommand 'frob'"), (("modifynvram", "m", "listvars", "--mok", "x"), "Unknown option: --mok"),
           (("modifynvram", "m"), "No subcommand specified"), (("encryptvm", "m", "checkpassword"), "Not enough parameters"),
           (("encryptvm", "m", "addpassword", "--password", "-"), "Missing required option: --password-id"))
    for words, text in bad:
        syntax_error(h(*words), text)
    for words in (("modifynvram", "none", "listvars"), ("encryptvm", "none", "checkpassword", "f")):
        com_error(h(*words), "Could not find a registered machine named 'none'", "VBOX_E_OBJECT_NOT_FOUND (0x80bb0001)", "VirtualBoxWrap", "IVirtualBox")


def updates(h):
    """What the user wants to hear of newer versions is kept; nobody is asked for them."""
    same(h.ok("list", "updates"), "Enabled:                      no\nCheck count:                  0\nCheck frequency:              every day\n"
         "Channel:                         Stable: Maintenance and minor releases within the same major release\n"
         "Repository:                      \nLast check date:                 \n")
    h.ok("updatecheck", "modify", "--enable", "--channel=WithBetas", "--frequency", "3")
    h.stop()  # what follows comes from the file
    same(h.ok("updatecheck", "list"), "Enabled:                yes\nCount:                  0\nFrequency:              Every 3 days\n"
         "Channel:                With Betas - new minor, maintenance, major, and beta releases\nLast Check Date:        \nRepository:             \n")
    h.ok("updatecheck", "modify", "--disable", "--frequency=1")
    same(h.ok("updatecheck", "list", "--machine-readable"),
         'enabled="off"\ncount="0"\nfrequency-days="1"\nchannel="withbetas"\nlast-check-date=""\nrepo-url=""\n')
    same(json.loads(h.ok("list", "updates", "--json"))["CheckFrequency"], 86400)
    r = h("updatecheck", "perform")
    same((r.rc, r.out, r.err), (1, "", "VBoxManage: error: There is no update service; the distribution's packages are updated with it\n"))
    for words, text in (((), "No subcommand specified"), (("modify",), "No change requested"), (("frob",), "Unknown subcommand 'frob'"),
                        (("modify", "--frequency", "x"), "Invalid value 'x' for option '--frequency': a number"), (("perform", "x"), "Invalid parameter 'x'"),
                        (("modify", "--frequency", "0"), "The update frequency cannot be zero"), (("modify", "--channel", "x"), "Invalid channel specified: 'x'"),
                        (("list", "--enable"), "'list' does not have this option")):
        syntax_error(h("updatecheck", *words), text)


main(host_metrics, machine_metrics_and_debugger, absent, updates)
