"""golden.py - what tests of VBoxManage's output share: the shapes of its errors."""
import re

from manage import check

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def same(got, wanted):
    check(got == wanted, f"got\n{got!r}\nwanted\n{wanted!r}")


def com_error(r, text, code, component, interface):
    """The three lines of a failed call."""
    lines = r.err.splitlines()
    check(r.rc == 1 and len(lines) == 3, repr(r))
    same(lines[0], f"VBoxManage: error: {text}")
    same(lines[1], f"VBoxManage: error: Details: code {code}, component {component}, interface {interface}, callee nsISupports")
    check(re.fullmatch(r'VBoxManage: error: Context: ".*" at line \d+ of file \w+\.c', lines[2]), lines[2])


def syntax_error(r, text):
    check(r.rc == 2 and r.out == "", repr(r))
    check(r.err.startswith(f"VBoxManage: error: {text}\n\nUsage - ") and r.err.endswith(f"\nVBoxManage: error: {text}\n"), repr(r))
