#!/usr/bin/env python3
"""commands_test.py - what VBoxManage prints and returns: output, errors and exit codes, word for word where scripts parse it."""
import json
import os
import re
import shutil
import subprocess

from golden import UUID, com_error, same, syntax_error
from manage import BIN, check, main

def global_options(h):
    for option in ("--version", "-v", "-V"):
        r = h(option)
        check(r.rc == 0 and re.fullmatch(r"7\.0\.\d+r\d+\n", r.out) and r.err == "", repr(r))
    h.env["VBOX_REPORT_VERSION"] = "6.1.50r161033"
    same(h.ok("--version"), "6.1.50r161033\n")
    r = h("nonsense")
    check(r.rc == 2 and r.err.endswith("VBoxManage: error: Invalid command 'nonsense'\n"), repr(r))
    check(h("help", "createvm").out.startswith("Usage - Create a new virtual machine:\n\n  VBoxManage createvm"), "help")
    for words in (("natnetwork", "add", "--help"), ("cloud", "list", "-h"), ("modifyvm", "-?"), ("createvm", "--name", "m", "--help"), ("natnetwork", "--help")):
        same(h.ok(*words), h.ok("help", words[0]))
    same(h.ok("--dumpopts"), h.ok("help"))
    for name in h.ok("commands").split():
        check(f".SS {name}\n" in h.ok("--dump-man"), f"{name} is not in the manual page")


def generated(h):
    """The manual page and bash's completion cover what `help` shows: every command, sub-command and option."""
    script = h.ok("--dump-completion")
    same(subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode, 0)
    manual = h.ok("--dump-man").replace("\\-", "-")

    def offered(*words):
        asked = script + f"\nCOMP_WORDS=(VBoxManage {' '.join(words)} '')\nCOMP_CWORD={len(words) + 1}\n_VBoxManage\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
        return subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True, env={**h.env, "PATH": f"{BIN}:/usr/bin:/bin"}).stdout.split()
    check(set(h.ok("commands").split()) <= set(offered()), "commands that are not offered")
    for name in h.ok("commands").split():
        there = offered(name)
        for option in set(re.findall(r"^  (--[a-z][a-z0-9-]*?)(?:<N>)?(?:=| |$)", h.ok("help", name), re.M)):
            check(option in manual, f"{name} {option} is not in the manual page")
            check(any(word in (option, option + "1") for word in there), f"{name} {option} is not offered")
    for name, words in (("controlvm", "pause poweroff natpf1 nic1 addencpassword webcam"), ("list", "vms hdds webcams cloudnets"),
                        ("snapshot", "take restorecurrent showvminfo"), ("debugvm", "statistics dumpvmcore osdmesg"),
                        ("createmedium", "disk dvd floppy"), ("internalcommands", "sethduuid converttoraw")):
        check(set(words.split()) <= set(offered(name)), f"{name}: {offered(name)}")
    check("uuid" not in offered("controlvm") and "filename" not in offered("registervm"), "a placeholder is offered")


def lists(h):
    """Every keyword of list: exit code 0, and with --json a document."""
    h.ok("createvm", "--name", "m", "--register")
    keywords = re.search(r"--multiple\] \[(.*)\]", h.ok("help", "list")).group(1).split(" | ")
    check(len(keywords) >= 28, str(keywords))
    for keyword in keywords:
        h.ok("list", keyword)
        h.ok("list", "--long", keyword)
        json.loads(h.ok("list", keyword, "--json"))
    out = h.ok("list", "--multiple", "vms", "groups")
    check(re.fullmatch(r'\[vms\]\n"m" {[0-9a-f-]{36}}\n\n\[groups\]\n"/"\n', out), out)
    check(list(json.loads(h.ok("list", "--multiple", "vms", "hdds", "--json"))) == ["vms", "hdds"], "several as JSON")
    same(h.ok("list", "vms", "groups"), '"/"\n')  # the last one counts
    same(h.ok("list", "-m", "hostifs", "natnets").split("\n")[0], "[hostifs]")
    syntax_error(h("list", "nothing"), 'Unknown subcommand "nothing".')
    h.ok("setextradata", "m", "a b", 'v"w')
    check(json.loads(h.ok("getextradata", "m", "enumerate", "--json")) == {"a b": 'v"w'}, "extra data as JSON")
    check(json.loads(h.ok("getextradata", "global", "enumerate", "--json")) == {}, "no extra data as JSON")


def create_and_list(h):
    same(h.ok("list", "vms"), "")
    out = h.ok("createvm", "--name", "A b", "--ostype", "Debian_64", "--register")
    check(re.fullmatch(f"Virtual machine 'A b' is created and registered\\.\nUUID: {UUID}\nSettings file: "
                       f"'{h.vms}/A b/A b\\.vbox'\n", out), out)
    check(re.fullmatch(f'"A b" {{{UUID}}}\n', h.ok("list", "vms")), "list vms")
    same(h.ok("--nologo", "list", "runningvms"), "")
    com_error(h("createvm", "--name", "A b"), f"Machine settings file '{h.vms}/A b/A b.vbox' already exists",
              "VBOX_E_FILE_ERROR (0x80bb0004)", "VirtualBoxWrap", "IVirtualBox")
    r = h("createvm", "--name", "x", "--ostype", "Nonsense")
    same((r.rc, r.out, r.err), (1, "", "VBoxManage: error: Unknown or invalid guest OS type given.\n"))
    syntax_error(h("createvm"), "Parameter --name is required")
    syntax_error(h("createvm", "--name", "y", "--cipher", "AES-256"), "Parameters --cipher, --password-id and --password are required together")
    with open(os.path.join(h.top, "pw"), "w", encoding="ascii") as f:
        f.write("canary-81\n")
    encrypted = ("createvm", "--name", "y", "--cipher", "AES-256", "--password-id", "mine", "--password")
    com_error(h(*encrypted, "pw"), "The settings of 'y' cannot be encrypted: no extension pack with a cryptographic module is usable; encrypt its disks "
              "with encryptmedium", "VBOX_E_NOT_SUPPORTED (0x80bb0009)", "VirtualBoxWrap", "IVirtualBox")
    r = h(*encrypted, "none")
    same((r.rc, r.err), (1, "VBoxManage: error: Could not read a password from 'none'\n"))
    sealed = os.path.join(h.top, "sealed.vbox")
    with open(sealed, "w", encoding="ascii") as f:
        f.write('<?xml version="1.0"?>\n<VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux">\n'
                '  <MachineEncrypted uuid="{5a3b1f9e-0d5c-4c7e-9a53-6a1c1d2e3f40}" keyId="mine" keyStore="AAAA">AAAA</MachineEncrypted>\n</VirtualBox>\n')
    for words in ((), ("--password", "pw")):
        r = h("registervm", sealed, *words)
        check(r.rc == 1 and "The machine's settings are encrypted; decrypt them first" in r.err and "canary" not in r.err, repr(r))
    syntax_error(h("createvm", "--frob"), "Unknown option: --frob")
    check(os.path.exists(f"{h.vms}/A b/A b.vbox") and not os.path.exists(f"{h.vms}/x"), "files")
    same([m["Name"] for m in json.loads(h.ok("list", "vms", "--json"))], ["A b"])
    for name, file in (("a!b/c", "a_b_c"), (".d. ", "_d._"), ("-e-", "_e-"), ("Gr\u00fc\u00dfe (1)", "Gr\u00fc\u00dfe (1)"), ("\U0001f600", "_")):
        check(f"Settings file: '{h.vms}/{file}/{file}.vbox'\n" in h.ok("createvm", "--name", name), name)


def not_found(h):
    for command in (("showvminfo", "x"), ("showvminfo", "--machinereadable", "--", "x"), ("startvm", "x"), ("controlvm", "x", "pause"),
                    ("modifyvm", "x", "--memory", "64"), ("unregistervm", "x")):
        com_error(h(*command), "Could not find a registered machine named 'x'", "VBOX_E_OBJECT_NOT_FOUND (0x80bb0001)",
                  "VirtualBoxWrap", "IVirtualBox")
    uuid = "01234567-89ab-cdef-0123-456789abcdef"
    com_error(h("showvminfo", uuid), f"Could not find a registered machine with UUID {{{uuid}}}",
              "VBOX_E_OBJECT_NOT_FOUND (0x80bb0001)", "VirtualBoxWrap", "IVirtualBox")
    h.ok("createvm", "--name", "m", "--register")
    r = h("controlvm", "m", "poweroff")
    same((r.rc, r.err), (1, "VBoxManage: error: Machine 'm' is not currently running.\n"))


def modify(h):
    h.ok("createvm", "--name", "m", "--register")
    h.ok("modifyvm", "m", "--memory", "300", "--cpus=2", "--natpf1", "ssh,tcp,127.0.0.1,2222,,22", "--macaddress1", "080027ABCDEF",
         "--uart1", "0x3F8", "4", "--uartmode1", "file", "/tmp/x", "--firmware", "EFI64", "--boot1", "net", "--audio-enabled", "on",
         "--groups", "/a,/b/c", "--mouse", "ps2", "--nic2", "intnet", "--intnet2", "lab", "--vrde", "on", "--vrdeport", "5001",
         "--usbxhci", "on", "--description", 'say "hi"', "--x2apic", "off")
    i = h.info("m")
    wanted = {"memory": "300", "cpus": "2", "Forwarding(0)": "ssh,tcp,127.0.0.1,2222,,22", "macaddress1": "080027ABCDEF", "uart1": "0x03f8,4",
              "uartmode1": "file,/tmp/x", "firmware": "EFI64", "boot1": "net", "audio": "default", "groups": "/a,/b/c",
              "hidpointing": "ps2mouse", "nic2": "intnet", "intnet2": "lab", "vrde": "on", "vrdeports": "5001", "xhci": "on",
              "description": 'say \\"hi\\', "x2apic": "off"}
    for key, val in wanted.items():
        check(i.get(key) == val, f"{key} is {i.get(key)!r}, not {val!r}")
    h.ok("modifyvm", "m", "--natpf1", "delete", "ssh")
    check("Forwarding(0)" not in h.info("m"), "the rule is still there")
    com_error(h("modifyvm", "m", "--cpus", "3", "--memory", "3"), "Invalid RAM size: 3 MB (must be in range [4, 2097152] MB)",
              "E_INVALIDARG (0x80070057)", "SessionMachine", "IMachine")
    same(h.info("m")["cpus"], "2")  # all or nothing
    syntax_error(h("modifyvm", "m", "--memory", "abc"), "Invalid value 'abc' for option '--memory': a number")
    h.ok("modifyvm", "m", "--name", "other")
    check(os.path.exists(f"{h.vms}/other/other.vbox") and not os.path.exists(f"{h.vms}/m"), "folder and file follow the name")
    h.ok("createvm", "--name", "m", "--register")
    r = h("modifyvm", "m", "--name", "other")
    check(r.rc == 1 and "VBOX_E_OBJECT_IN_USE" in r.err, repr(r))


def storage(h):
    h.ok("createvm", "--name", "m", "--register")
    h.ok("createvm", "--name", "n", "--register")
    for m in ("m", "n"):
        h.ok("storagectl", m, "--name", "SATA Controller", "--add", "sata", "--portcount", "2")
    disk = os.path.join(h.top, "d.vdi")
    out = h.ok("createhd", "--filename", os.path.join(h.top, "d"), "--size", "10")
    uuid = re.fullmatch(f"Medium created\\. UUID: ({UUID})\n", out).group(1)
    r = h("createmedium", "--filename", disk, "--size", "10")
    check(r.rc == 1 and "already exists" in r.err, repr(r))
    attach = ("--storagectl", "SATA Controller", "--port", "0", "--device", "0", "--type", "hdd", "--medium", disk)
    h.ok("storageattach", "m", *attach)
    i = h.info("m")
    same((i["SATA Controller-0-0"], i["SATA Controller-ImageUUID-0-0"], i["SATA Controller-1-0"]), (disk, uuid, "none"))
    r = h("storageattach", "n", *attach)
    check(r.rc == 1 and "is attached to the machine 'm' already" in r.err, repr(r))
    com_error(h("closemedium", "disk", disk), f"Medium '{disk}' cannot be closed because it is still attached to 1 virtual machines",
              "VBOX_E_OBJECT_IN_USE (0x80bb000c)", "MediumWrap", "IMedium")
    com_error(h("storagectl", "m", "--name", "SATA Controller", "--add", "sata"), "Storage controller named 'SATA Controller' already exists",
              "VBOX_E_OBJECT_IN_USE (0x80bb000c)", "SessionMachine", "IMachine")
    com_error(h("showmediuminfo", "/no/such.vdi"), "Could not find file for the medium '/no/such.vdi' (VERR_FILE_NOT_FOUND)",
              "VBOX_E_FILE_ERROR (0x80bb0004)", "VirtualBoxWrap", "IVirtualBox")
    check(f"In use by VMs:  m (UUID: {i['UUID']})\n" in h.ok("showmediuminfo", disk), "users of the medium")
    h.ok("storageattach", "m", "--storagectl", "SATA Controller", "--port", "0", "--device", "0", "--medium", "none")
    h.ok("closemedium", uuid, "--delete")
    check(not os.path.exists(disk) and h.ok("list", "hdds") == "", "the disk is still there")


def extra_data(h):
    h.ok("createvm", "--name", "m", "--register")
    for target in ("global", "m"):
        same(h.ok("getextradata", target, "k"), "No value set!\n")
        h.ok("setextradata", target, "k", "v w")
        same(h.ok("getextradata", target, "k"), "Value: v w\n")
        same(h.ok("getextradata", target, "enumerate"), "Key: k, Value: v w\n")
        h.ok("setextradata", target, "k")
        same(h.ok("getextradata", target, "k"), "No value set!\n")
    for option, key, other, stored, rule in (("--lockstep", "EM/Lockstep", "on", "1", "off"), ("--profile-code", "EM/Profile", "on", "1", "off"),
                                             ("--perf-map", "EM/PerfMap", "on", "1", "off"), ("--raw-mode", "RawMode", "always", "always", "on"),
                                             ("--raw-mode", "RawMode", "off", "off", "on")):
        h.ok("modifyvm", "m", option, other)
        same(h.ok("getextradata", "m", "VBoxInternal/" + key), f"Value: {stored}\n")
        h.ok("modifyvm", "m", option, rule)
        same(h.ok("getextradata", "m", "VBoxInternal/" + key), "No value set!\n")
    h.ok("setproperty", "machinefolder", os.path.join(h.top, "elsewhere"))
    check(re.search(r"^Default machine folder: +" + re.escape(h.top) + "/elsewhere$", h.ok("list", "systemproperties"), re.M), "machinefolder")


def unregister(h):
    h.ok("createvm", "--name", "m", "--register", "--default")
    h.ok("unregistervm", "m")
    same(h.ok("list", "vms"), "")
    h.ok("registervm", f"{h.vms}/m/m.vbox")
    h.ok("unregistervm", "--delete", "m")
    check(not os.path.exists(f"{h.vms}/m"), "the folder is still there")


def refusals(h):
    """VirtualBox's words and codes where something is in use or there already."""
    disk, other = os.path.join(h.top, "d.vdi"), os.path.join(h.top, "e.vdi")
    h.ok("createvm", "--name", "m", "--register")
    h.ok("storagectl", "m", "--name", "S", "--add", "sata")
    for path in (disk, other):
        h.ok("createmedium", "disk", "--filename", path, "--size", "8")
    place = ("storageattach", "m", "--storagectl", "S", "--device", "0", "--type", "hdd", "--port")
    h.ok(*place, "0", "--medium", disk)
    ids = h.info("m")
    com_error(h(*place, "1", "--medium", disk), f"Medium '{disk}' is already attached to this virtual machine",
              "VBOX_E_OBJECT_IN_USE (0x80bb000c)", "SessionMachine", "IMachine")
    com_error(h("closemedium", disk, "--delete"),
              f"Cannot delete storage: medium '{disk}' is still attached to the following 1 virtual machine(s): {ids['UUID']}",
              "VBOX_E_OBJECT_IN_USE (0x80bb000c)", "MediumWrap", "IMedium")
    com_error(h("modifymedium", disk, "--type", "immutable"),
              f"Cannot change the type of medium '{disk}' because it is attached to 1 virtual machines",
              "VBOX_E_INVALID_OBJECT_STATE (0x80bb0007)", "MediumWrap", "IMedium")
    copy = os.path.join(h.top, "copy.vbox")
    shutil.copy(ids["CfgFile"], copy)
    com_error(h("registervm", copy), f"Trying to open a VM config '{copy}' which has the same UUID as an existing virtual machine",
              "E_FAIL (0x80004005)", "VirtualBoxWrap", "IVirtualBox")
    com_error(h("startvm", "none"), "Could not find a registered machine named 'none'", "VBOX_E_OBJECT_NOT_FOUND (0x80bb0001)",
              "VirtualBoxWrap", "IVirtualBox")
    h.ok("modifyvm", "m", "--firmware", "bios")
    h.ok("startvm", "m", "--type", "headless")
    com_error(h("startvm", "m", "--type", "headless"), "The machine 'm' is already locked by a session (or being locked or unlocked)",
              "VBOX_E_INVALID_OBJECT_STATE (0x80bb0007)", "MachineWrap", "IMachine")
    com_error(h("modifyvm", "m", "--cpus", "2"), "The machine 'm' is already locked for a session (or being unlocked)",
              "VBOX_E_INVALID_OBJECT_STATE (0x80bb0007)", "MachineWrap", "IMachine")
    com_error(h("unregistervm", "m"), "Cannot unregister the machine 'm' while it is locked", "VBOX_E_INVALID_OBJECT_STATE (0x80bb0007)",
              "MachineWrap", "IMachine")
    h.ok("controlvm", "m", "poweroff")


main(global_options, generated, lists, create_and_list, not_found, modify, storage, extra_data, unregister, refusals)
