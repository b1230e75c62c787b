#!/usr/bin/env python3
"""guestcontrol_test.py - commands about what is not there: the guest's services and clouds. All sub-commands are read, and the answers are
VirtualBox's own."""
import os

from golden import com_error, same, syntax_error
from manage import check, main

USER = ("--username", "u", "--password", "p")
GOOD = (("run", *USER, "--exe", "/bin/ls", "--wait-stdout", "--", "ls", "-l"), ("run", "--exe=/bin/true"), ("start", *USER, "/bin/ls"),
        ("copyfrom", *USER, "-R", "/a", "/b"), ("copyto", *USER, "--target-directory=/x", "/a"), ("mkdir", *USER, "--parents", "--mode", "755", "/a"),
        ("md", "/a"), ("rmdir", *USER, "/a"), ("rm", *USER, "--force", "/a"), ("mv", *USER, "/a", "/b"), ("mktemp", *USER, "--directory", "xXXX"),
        ("mount", *USER), ("fsinfo", *USER, "--human-readable", "/"), ("stat", *USER, "--terse", "/a"), ("list", "all"), ("closeprocess", "--session-id=1", "7"),
        ("updatega", "--verify", "--wait-ready", "--reboot"), ("start", "--user", "u", "--password", "p", "--no-profile", "--exe", "/a"),
        ("closesession", "--all"), ("updatega", "--source=x.iso"), ("waitrunlevel", "--timeout", "5", "system"), ("watch",))
BAD = (((), "No sub-command specified!"), (("frob",), "Unknown sub-command: 'frob'"), (("run",), "No executable given!"),
       (("copyfrom",), "No sources specified!"), (("mkdir",), "No directory to create specified!"), (("mv", "/a"), "No source or no destination specified!"),
       (("list",), "Missing list category!"), (("list", "dogs"), "Unknown list: 'dogs'"), (("stat", "--recursive", "/a"), "Unknown option: --recursive"),
       (("closeprocess", "--session-id", "x", "7"), "Invalid value 'x' for option '--session-id': a number"))


def guest(h):
    h.ok("createvm", "--name", "m", "--register")
    h.ok("modifyvm", "m", "--memory", "32", "--vram", "8", "--nic1", "none")
    syntax_error(h("guestcontrol"), "No VM name or UUID specified!")
    for words, text in BAD:
        syntax_error(h("guestcontrol", "m", *words), text)
    for words in GOOD:
        r = h("guestcontrol", "m", *words)
        same((r.rc, r.out, r.err), (1, "", 'VBoxManage: error: Machine "m" is not running (currently powered off)!\n'))
    h.ok("startvm", "m", "--type", "headless")
    for words in GOOD:
        com_error(h("guestcontrol", "m", *words), "The guest execution service is not ready (yet)", "VBOX_E_GSTCTL_GUEST_ERROR (0x80bb000f)",
                  "GuestWrap", "IGuest")
    r = h("guestcontrol", "m", "run", "--passwordfile", os.path.join(h.top, "none"), "ls")
    same((r.rc, r.err), (1, f"VBoxManage: error: Could not read a password from '{h.top}/none'\n"))
    h.ok("controlvm", "m", "poweroff")


def clouds(h):
    there = ("--provider=OCI", "--profile=p")
    none = "VBoxManage: error: Could not find a cloud provider with short name 'OCI'; there are none in this program\n"
    for words in (("cloud", *there, "list", "instances"), ("cloud", *there, "instance", "create", "--shape=x", "--image-id", "y"),
                  ("cloud", *there, "image", "export", "--id=1"), ("cloud", *there, "network", "setup"), ("cloudprofile", *there, "show"),
                  ("cloudprofile", *there, "add", "--clouduser=u"), ("cloud", *there, "list", "machines"), ("cloud", *there, "machine", "list", "--long", "--sort"),
                  *(("cloud", *there, "machine", verb, *who) for verb in ("info", "start", "reboot", "reset", "shutdown", "powerdown", "terminate", "console-history")
                    for who in (("id",), ("--id=1",), ("--name", "n"))), ("cloud", *there, "showvminfo", "id"), ("cloud", *there, "instance", "update", "--id=1")):
        r = h(*words)
        same((r.rc, r.out, r.err), (1, "", none))
    check("no cloud network" in h("cloud", "network", "info", "--name=n").err.replace("a cloud", "no cloud"), "networks")
    syntax_error(h("cloud", *there), "No subcommand specified")
    syntax_error(h("cloud", *there, "list", "dogs"), "Unknown subcommand 'list dogs'")
    syntax_error(h("cloud", *there, "machine"), "No subcommand specified")
    syntax_error(h("cloud", *there, "machine", "feed"), "Unknown subcommand 'machine feed'")
    syntax_error(h("cloud", *there, "machine", "start", "id", "now"), "Invalid parameter 'now'")
    syntax_error(h("cloud", *there, "dog"), "Unknown subcommand 'dog'")
    syntax_error(h("cloud", "list", "images"), "Parameter --provider is required")
    syntax_error(h("cloudprofile", "--provider=OCI", "show"), "Parameter --profile is required")
    syntax_error(h("cloudprofile", *there, "show", "more"), "Invalid parameter 'more'")
    same(h.ok("list", "cloudproviders"), "Supported 0 cloud providers:\n")
    for what in ("cloudprofiles", "cloudnets"):
        same(h.ok("list", what), "")


main(guest, clouds)
