#!/usr/bin/env python3
"""commands_covered_test.py - every command and sub-command that VBoxManage's help names is in a golden session: once well, once in error.

What can only fail says so here, with the reason, and must not succeed in any session; what needs more than a session is named with the
test that does it.
"""
import glob
import os
import re
import subprocess
import sys

from manage import BIN
from transcript import Step, read

HERE = os.path.dirname(os.path.realpath(__file__))
# Words in a synopsis that stand for something
PLACEHOLDERS = {"uuid", "vmname", "filename", "global", "keyword", "ovfname", "ovaname", "source-medium", "target-medium", "snapshot-name", "options"}
DEEPER = {"cloud": None, "controlvm": {"clipboard", "recording", "webcam", "natpf"}}  # commands whose sub-commands have sub-commands; None: all
# Can only fail: command or its beginning, why
FAILS = {
    "guestcontrol": "needs services in the guest", "cloud": "there is no cloud", "cloudprofile": "there is no cloud",
    "signova": "no signing of appliances", "modifynvram": "the machine's own firmware does that", "encryptvm": "settings are not encrypted",
    "updatecheck perform": "there is no update service", "natnetwork start": "no NAT service yet", "dhcpserver start": "no DHCP service yet",
    "dhcpserver restart": "no DHCP service yet", "dhcpserver stop": "no DHCP service yet", "natnetwork stop": "no NAT service yet", "dhcpserver findlease": "no DHCP service yet", "controlvm reboot": "needs services in the guest",
    "controlvm shutdown": "needs services in the guest", "controlvm setcredentials": "needs services in the guest",
    "controlvm usbattach": "no USB controllers yet", "controlvm usbdetach": "no USB controllers yet", "controlvm webcam": "no USB controllers yet",
    "controlvm setvideomodehint": "needs services in the guest", "controlvm setscreenlayout": "needs services in the guest",
    "controlvm recording start": "no recording yet", "controlvm recording stop": "no recording yet", "controlvm plugcpu": "no CPU hot-plugging yet",
    "controlvm unplugcpu": "no CPU hot-plugging yet", "debugvm osdetect": "an empty machine runs no system", "debugvm osinfo": "an empty machine runs no system",
    "debugvm osdmesg": "an empty machine runs no system", "debugvm guestsample": "no sampling yet",
    "internalcommands loadmap": "the debugger reads no symbols",
    "internalcommands loadsyms": "the debugger reads no symbols", "internalcommands gueststats": "needs services in the guest",
}
# Succeeds in another test: command, test
ELSEWHERE = {"unattended detect": "unattended_test.py", "unattended install": "unattended_test.py", "controlvm teleport": "teleport_test.py",
             "extpack install": "extpack_test.py", "extpack uninstall": "extpack_test.py", "encryptmedium": "mediumio_test.py", "checkmediumpwd": "mediumio_test.py",
             "controlvm addencpassword": "encrypted_test.py", "controlvm removeencpassword": "encrypted_test.py",
             "adoptstate": "savedstate_test.py", "internalcommands sethdparentuuid": "internal_test.py", "internalcommands createrawvmdk": "internal_test.py", "internalcommands listpartitions": "internal_test.py"}


def pieces(line):
    """Words and bracketed groups of a synopsis, as far as they stand alone."""
    out, at = [], 0
    while at < len(line):
        start, depth = at, 0
        while at < len(line) and (depth > 0 or line[at] != " "):
            depth += line[at] in "<["
            depth -= line[at] in ">]"
            at += 1
        out.append(line[start:at])
        at += 1
    return [p for p in out if p]


def literals(piece):
    """The words it stands for: one, or alternatives that must be given; [] if it is something else."""
    piece = piece.replace("<N>", "")
    words = [piece]
    if piece.startswith("<") and piece.endswith(">"):
        words = [re.sub(r"[ \[].*", "", w.strip()) for w in piece[1:-1].split(" | ")]
        words = words if len(words) > 1 else ["<>"]  # alone it stands for something
    plain = all(re.fullmatch(r"[a-z][a-z0-9-]*", w) for w in words) and not PLACEHOLDERS & set(words)
    return words if plain else []


def subcommands(command, line):
    """What a line of a command's synopsis names: [("nic",), ("recording", "start")...]; [()]: only the command."""
    parts = pieces(line)
    if command == "list":
        return [(word,) for word in re.search(r"\[([a-z-]+ \|[^]]*)\]", line)[1].split(" | ")]
    while parts and (parts[0][0] in "[-" or not literals(parts[0])):
        del parts[0]
    if not parts:
        return [()]
    firsts, deep = literals(parts[0]), DEEPER.get(command, ())
    if len(parts) > 1 and len(firsts) == 1 and (deep is None or firsts[0] in deep) and literals(parts[1]):
        return [(firsts[0], second) for second in literals(parts[1])]
    return [(first,) for first in firsts]


def vboxmanage(*words):
    return subprocess.run([os.path.join(BIN, "VBoxManage"), *words], capture_output=True, text=True, timeout=60, check=True).stdout


def is_run(sub, words):
    """Whether the words have this sub-command; a number may follow the first."""
    for k in range(len(words)):
        if re.fullmatch(re.escape(sub[0]) + r"\d*", words[k]) and list(sub[1:]) == words[k + 1:k + len(sub)]:
            return True
    return False


def main():
    done = {}  # command: its sessions' words and exit codes
    for path in glob.glob(os.path.join(HERE, "golden", "*.txt")):
        for step in read(path):
            if isinstance(step, Step):
                done.setdefault(step.words[0], []).append((step.words[1:], step.rc))
    bad, count, used = [], 0, set()
    for command in vboxmanage("commands").split():
        synopses = re.findall(rf"^  VBoxManage {command} ?(.*)$", vboxmanage("help", command), re.M)
        for sub in sorted({s for line in synopses for s in subcommands(command, line)}):
            name, count = " ".join((command, *sub)), count + 1
            codes = [rc for words, rc in done.get(command, []) if not sub or is_run(sub, words)]
            fails = next((key for key in FAILS if f"{name} ".startswith(key + " ")), None)
            used |= {fails, name}
            if not any(codes):
                bad.append(f"{name}: no golden session in which it fails")
            if fails and 0 in codes:
                bad.append(f"{name}: it can only fail ({FAILS[fails]}), and succeeded")
            if name in ELSEWHERE:
                with open(os.path.join(HERE, ELSEWHERE[name]), encoding="utf-8") as f:
                    found = re.search(rf'"{command}", [^\n]*"{sub[-1]}"' if sub else rf'\b[a-z]\.ok\("{command}"', f.read())
                if not found:
                    bad.append(f"{name}: {ELSEWHERE[name]} does not run it")
            elif not fails and 0 not in codes:
                bad.append(f"{name}: no golden session in which it succeeds")
    bad += [f"{name}: no such command" for name in (set(FAILS) | set(ELSEWHERE)) - used]
    print("1..1")
    print("\n".join(f"# {line}" for line in bad))
    print(f"{'not ' if bad else ''}ok 1 - {count} commands and sub-commands in golden sessions")
    sys.exit(1 if bad else 0)


main()
