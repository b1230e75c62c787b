"""golden.py - what tests of VBoxManage's output share: the shapes of its errors."""
import re

from manage import check

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def same(got, wanted):
    check(got == wanted, f"got\n{got!r}\nwanted\n{wanted!r}")


# Result codes of the API that VBoxManage prints by XPCOM's names, as VirtualBox does on Linux.
XPCOM = {"E_FAIL": "NS_ERROR_FAILURE", "E_NOTIMPL": "NS_ERROR_NOT_IMPLEMENTED", "E_ABORT": "NS_ERROR_ABORT", "E_UNEXPECTED": "NS_ERROR_UNEXPECTED",
         "E_INVALIDARG": "NS_ERROR_INVALID_ARG", "E_OUTOFMEMORY": "NS_ERROR_OUT_OF_MEMORY"}


def com_error(r, text, code, component, interface):
    """The three lines of a failed call; @code: the API's name and the number."""
    name, number = code.split(" ", 1)
    code = f"{XPCOM.get(name, name)} {number}"
    lines = r.err.splitlines()
    check(r.rc == 1 and len(lines) == 3, repr(r))
    same(lines[0], f"VBoxManage: error: {text}")
    same(lines[1], f"VBoxManage: error: Details: code {code}, component {component}, interface {interface}, callee nsISupports")
    check(re.fullmatch(r'VBoxManage: error: Context: ".*" at line \d+ of file \w+\.c', lines[2]), lines[2])


def syntax_error(r, text):
    check(r.rc == 2 and r.out == "", repr(r))
    check(r.err.startswith(f"VBoxManage: error: {text}\n\nUsage - ") and r.err.endswith(f"\nVBoxManage: error: {text}\n"), repr(r))
