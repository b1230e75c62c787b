#!/usr/bin/env python3
"""properties_test.py - guestproperty, usbfilter, sharedfolder: output, errors, exit codes, what is kept."""
import json
import os
import re
import time

from golden import com_error, same, syntax_error
from manage import check, main


def guest_properties(h):
    h.ok("createvm", "--name", "m", "--register")
    same(h.ok("guestproperty", "get", "m", "/a"), "No value set!\n")
    same(h.ok("guestproperty", "enumerate", "m"), "No properties found.\n")
    h.ok("guestproperty", "set", "m", "/a", "one")
    h.ok("guestproperty", "set", "m", "/b/long", "two words", "--flags", "transient,rdonlyguest")
    same(h.ok("guestproperty", "get", "m", "/a"), "Value: one\n")
    check(re.fullmatch(r"Value: two words\nTimestamp: \d{19}\nFlags: TRANSIENT, RDONLYGUEST\n", h.ok("guestproperty", "get", "m", "/b/long", "--verbose")),
          "get --verbose")
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    check(re.fullmatch(rf"/a      = 'one'       @ {stamp}\n/b/long = 'two words' @ {stamp} TRANSIENT, RDONLYGUEST\n",
                       h.ok("guestproperty", "enumerate", "m")), h.ok("guestproperty", "enumerate", "m"))
    check(re.fullmatch(r"Name: /b/long, value: two words, timestamp: \d+, flags: TRANSIENT, RDONLYGUEST\n",
                       h.ok("guestproperty", "enumerate", "m", "--old-format", "/b*|/c")), "old format, patterns")
    h.stop()
    same(h.ok("guestproperty", "get", "m", "/a"), "Value: one\n")  # kept
    h.ok("guestproperty", "unset", "m", "/a")
    same(h.ok("guestproperty", "get", "m", "/a"), "No value set!\n")
    com_error(h("guestproperty", "set", "m", "a*", "x"), "Invalid guest property name 'a*' (1 to 63 bytes without *, ? and |)",
              "E_INVALIDARG (0x80070057)", "MachineWrap", "IMachine")
    com_error(h("guestproperty", "set", "m", "/a", "x", "--flags", "nonsense"), "Invalid guest property flags 'nonsense'",
              "E_INVALIDARG (0x80070057)", "MachineWrap", "IMachine")
    h.ok("guestproperty", "set", "m", "/h", "x", "--flags", "RDONLYHOST")
    com_error(h("guestproperty", "set", "m", "/h", "y"), "The property '/h' cannot be changed by the host", "E_ACCESSDENIED (0x80070005)",
              "MachineWrap", "IMachine")
    syntax_error(h("guestproperty", "get", "m"), "Incorrect parameters")
    some = ("guestproperty", "enumerate", "m", "--old-format")
    same(h.ok(*some, "--patterns", "/b*|/c"), h.ok(*some, "/b*", "/c"))
    lines = h.ok("guestproperty", "enumerate", "m", "--rel", "--unsort").splitlines()
    check(lines and all(re.search(r" @ PT\d+\.\d{3}S ", line) for line in lines), lines)
    same(h.ok("guestproperty", "enumerate", "m", "--no-ts", "--ts", "--rel", "--abs", "--sort"), h.ok("guestproperty", "enumerate", "m"))
    same(h.ok("guestproperty", "enumerate", "m", "/h", "--no-ts", "--no-flags"), "/h = 'x'\n")
    same(h.ok("guestproperty", "enumerate", "m", "--no-ts", "/h", "/b/long"), "/b/long = 'two words'  TRANSIENT, RDONLYGUEST\n"
         "/h      = 'x'          RDONLYHOST\n")
    same(json.loads(h.ok("guestproperty", "enumerate", "m", "/h", "--json"))[0][:2], ["/h", "x"])


def guest_property_wait(h):
    h.ok("createvm", "--name", "m", "--register")
    waiting = h.popen("guestproperty", "wait", "m", "/w*", "--timeout", "20000")
    for number in range(100):  # until it listens
        h.ok("guestproperty", "set", "m", "/w", f"v{number}", "--flags", "TRANSIENT")
        if waiting.poll() is not None:
            break
        time.sleep(0.05)
    out, err = waiting.communicate(timeout=20)
    check(re.fullmatch(r"Name: /w, value: v\d+, flags: TRANSIENT\n", out) and waiting.returncode == 0, out + err)
    r = h("guestproperty", "wait", "m", "/x", "--timeout", "50")
    same((r.rc, r.out, r.err), (0, "", "VBoxManage: error: Time out or interruption while waiting for a notification.\n"))
    check(h("guestproperty", "wait", "m", "/x", "--timeout", "50", "--fail-on-timeout").rc == 2, "--fail-on-timeout")


def usb_filters(h):
    h.ok("createvm", "--name", "m", "--register")
    h.ok("usbfilter", "add", "0", "--target", "m", "--name", "second", "--vendorid", "046d")
    h.ok("usbfilter", "add", "0", "--target", "m", "--name", "first", "--active", "no", "--product", "Mouse")
    i = h.info("m")
    same([i[k] for k in ("USBFilterName1", "USBFilterActive1", "USBFilterProduct1", "USBFilterName2", "USBFilterVendorId2")],
         ["first", "off", "Mouse", "second", "046d"])
    h.ok("usbfilter", "modify", "1", "--target", "m", "--vendorid", "", "--serialnumber", "s")
    h.ok("usbfilter", "remove", "0", "--target", "m")
    check("\nUSB Device Filters:\nIndex:                       0\n  Active:                    yes\n  Name:                      second\n" in h.ok("showvminfo", "m"),
          h.ok("showvminfo", "m"))
    com_error(h("usbfilter", "remove", "7", "--target", "m"), "Invalid position of a USB filter: 7 (there are 1)", "E_INVALIDARG (0x80070057)",
              "USBDeviceFiltersWrap", "IUSBDeviceFilters")
    com_error(h("usbfilter", "add", "0", "--target", "m", "--name", "x", "--vendorid", "xyz"), "Invalid vendor ID 'xyz' of a USB filter",
              "E_INVALIDARG (0x80070057)", "USBDeviceFiltersWrap", "IUSBDeviceFilters")
    syntax_error(h("usbfilter", "add", "0", "--target", "global", "--name", "x"), "Mandatory parameter --action is missing")
    h.ok("usbfilter", "add", "0", "--target", "global", "--name", "x", "--action", "hold", "--port", "1a")
    same(h.ok("list", "usbfilters"), "Global USB Device Filters:\n\nIndex:            0\nActive:           yes\nAction:           Hold\n"
         "Name:             x\nVendorId:         \nProductId:        \nRevision:         \nManufacturer:     \nProduct:          \n"
         "Serial Number:    \nPort:             1a\n\n")
    h.ok("usbfilter", "remove", "0", "--target", "global")
    same(h.ok("list", "usbfilters"), "Global USB Device Filters:\n\n<none>\n\n")


def usb_sources(h):
    add = ("usbdevsource", "add", "s", "--backend", "USBIP", "--address", "192.168.1.2")
    h.ok(*add)
    com_error(h(*add), "The USB device source 's' exists already", "VBOX_E_OBJECT_IN_USE (0x80bb000c)", "HostWrap", "IHost")
    com_error(h("usbdevsource", "add", "t", "--backend", "x", "--address", "a"), "The USB device source backend 'x' is unknown (there is USBIP)",
              "VBOX_E_OBJECT_NOT_FOUND (0x80bb0001)", "HostWrap", "IHost")
    h.ok("usbdevsource", "remove", "s")
    com_error(h("usbdevsource", "remove", "s"), "The USB device source 's' could not be found", "VBOX_E_OBJECT_NOT_FOUND (0x80bb0001)", "HostWrap",
              "IHost")
    syntax_error(h("usbdevsource", "add", "s"), "Parameter --backend is required")


def shared_folders(h):
    h.ok("createvm", "--name", "m", "--register")
    h.ok("sharedfolder", "add", "m", "--name", "src", "--hostpath", h.top, "--readonly", "--automount", "--auto-mount-point", "/mnt")
    same(h.info("m")["SharedFolderPathMachineMapping1"], h.top)
    check(f"Name: 'src', Host path: '{h.top}' (machine mapping), readonly, auto-mount, mount-point: '/mnt'\n" in h.ok("showvminfo", "m"), "showvminfo")
    for words, text in (((), "No machine was specified"), (("m",), "No shared folder name (--name) was given"),
                        (("m", "--name", "a b", "--hostpath", h.top), "Invalid shared folder name 'a b': contains space"),
                        (("m", "--name", "x"), "No host path (--hostpath) was given")):
        syntax_error(h("sharedfolder", "add", *words), text)
    com_error(h("sharedfolder", "add", "m", "--name", "src", "--hostpath", h.top), "Shared folder named 'src' already exists",
              "VBOX_E_OBJECT_IN_USE (0x80bb000c)", "SessionMachine", "IMachine")
    com_error(h("sharedfolder", "add", "m", "--name", "t", "--hostpath", h.top, "--transient"), "Machine 'm' is not currently running.",
              "VBOX_E_INVALID_VM_STATE (0x80bb0002)", "MachineWrap", "IMachine")
    h.ok("sharedfolder", "add", "m", "--name", "li", "--hostpath", h.top, "--symlink-policy", "subtree")
    with open(os.path.join(h.vms, "m", "m.vbox"), encoding="utf-8") as f:
        check('symlinkPolicy="subtree"' in f.read(), "the policy is not kept")
    syntax_error(h("sharedfolder", "add", "m", "--name", "x", "--hostpath", h.top, "--symlink-policy", "some"), "Invalid --symlink-policy argument 'some'")
    syntax_error(h("sharedfolder", "add", "m", "--name", "x", "--hostpath", h.top, "--symlink-policy", "any", "--transient"),
                 "Symlink policies can not be applied to transient shared folders")
    h.ok("sharedfolder", "remove", "m", "--name", "src")
    r = h("sharedfolder", "remove", "m", "--name", "src")
    check(r.rc == 1 and "Could not find a shared folder named 'src'" in r.err, repr(r))


main(guest_properties, guest_property_wait, usb_filters, usb_sources, shared_folders)
