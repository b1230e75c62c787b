#!/usr/bin/env python3
"""extpack_test.py - extension packs: installed, listed, removed; archives that are not what they should be are refused and leave nothing.
The packs are made here with Python's tarfile."""
import hashlib
import io
import json
import os
import stat
import tarfile

from golden import same, syntax_error
from manage import check, main

XML = """<?xml version="1.0"?>
<VirtualBoxExtensionPack version="1.0" xmlns="http://www.virtualbox.org/VirtualBoxExtensionPack">
  <Name>{name}</Name><Description>For tests</Description><Version revision="1234" edition="E">1.2.3</Version>
  <MainModule>Main</MainModule><VRDEModule>VBoxTest</VRDEModule>{more}
</VirtualBoxExtensionPack>
"""


def pack(h, name="Test Pack", more="", entries=(), files=None, manifest=None, zipped=True, file="t.vbox-extpack"):
    """A pack as a file; @entries: further members of the archive as (TarInfo, bytes); @manifest replaces the right one."""
    files = {"ExtPack.xml": XML.format(name=name, more=more).encode(), "linux.amd64/VBoxTest.so": b"\x7fELF", **(files or {})}
    if manifest is None:
        manifest = "".join(f"SHA512 ({n}) = {hashlib.sha512(b).hexdigest()}\n" for n, b in files.items())
    members = [(member(n), b) for n, b in {**files, "ExtPack.manifest": manifest.encode()}.items()] + list(entries)
    path = os.path.join(h.top, file)
    with tarfile.open(path, "w:gz" if zipped else "w") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def member(name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, 0o4777
    return info


def installed(h):
    return [p["Name"] for p in json.loads(h.ok("list", "extpacks", "--json"))]


def words(h):
    same(h.ok("list", "extpacks"), "Extension Packs: 0\n")
    syntax_error(h("extpack"), "No subcommand specified")
    syntax_error(h("extpack", "frob"), "Unknown subcommand 'frob'")
    syntax_error(h("extpack", "install"), 'No extension pack file was given to "extpack install"')
    syntax_error(h("extpack", "uninstall"), 'No extension pack name was given to "extpack uninstall"')
    r = h("extpack", "install", "nothing")
    same((r.rc, r.err), (1, f"VBoxManage: error: Failed to open the extension pack '{h.top}/nothing' (VERR_FILE_NOT_FOUND)\n"))
    for name in ("Nothing", "../cfg", ".", "", "a-_-b"):
        r = h("extpack", "uninstall", name)
        check(r.rc == 1 and f"No extension pack by the name '{name}' was found" in r.err and r.err.endswith(f'Failed to uninstall "{name}"\n'), repr(r))
    same(h.ok("extpack", "cleanup"), "Successfully performed extension pack cleanup\n")


def life(h):
    path = pack(h)
    r = h("extpack", "install", path)
    check(r.rc == 0 and r.err.startswith("0%...10%...") and "100%\n" in r.err, repr(r))
    same(r.out, 'Successfully installed "Test Pack".\n')
    out = h.ok("list", "extpacks")
    same(out, "Extension Packs: 1\nPack no. 0:   Test Pack\nVersion:        1.2.3\nRevision:       1234\nEdition:        E\nDescription:    For tests\n"
         "VRDE Module:    VBoxTest\nCrypto Module:  \nUsable:         false\nWhy unusable:   Modules of extension packs are not loaded by this program\n")
    module = os.path.join(h.config, "ExtPacks", "Test_Pack", "linux.amd64", "VBoxTest.so")
    same(stat.S_IMODE(os.stat(module).st_mode), 0o600)
    r = h("extpack", "install", path)
    check(r.rc == 1 and "Extension pack 'Test Pack' is already installed" in r.err, repr(r))
    h.ok("extpack", "install", "--replace", pack(h, files={"new": b"x"}, zipped=False))
    check(sorted(os.listdir(os.path.dirname(os.path.dirname(module)))) == ["ExtPack.manifest", "ExtPack.xml", "linux.amd64", "new"], "replaced")
    left = os.path.join(h.config, "ExtPacks", "Test_Pack-_-inst-1")
    os.makedirs(left)
    os.symlink("/etc", os.path.join(left, "link"))
    same(installed(h), ["Test Pack"])
    h.ok("extpack", "cleanup")
    same(os.listdir(os.path.join(h.config, "ExtPacks")), ["Test_Pack"])
    check(os.path.exists("/etc/passwd"), "cleanup followed a link")
    same(h.ok("extpack", "uninstall", "Test Pack"), 'Successfully uninstalled "Test Pack".\n')
    same((installed(h), os.listdir(os.path.join(h.config, "ExtPacks"))), ([], []))


def license_asked(h):
    text = b"You may.\n"
    path = pack(h, more="<ShowLicense/>", files={"ExtPack-license.txt": text})
    digest = hashlib.sha256(text).hexdigest()
    for answer, rc, wanted in (("n\n", 1, 'Installation of "Test Pack" aborted.\n'), ("", 1, 'Installation of "Test Pack" aborted.\n'),
                               ("what\ny\n", 0, f'--accept-license={digest}\nto the VBoxManage command line.\n\nSuccessfully installed "Test Pack".\n')):
        client = h.popen("extpack", "install", path, stdin=-1)
        out = client.communicate(answer, timeout=30)[0]
        check(client.returncode == rc and out.startswith("You may.\n\nDo you agree to these") and out.endswith(wanted), out)
    out = h.ok("extpack", "install", "--replace", f"--accept-license={digest}", path)
    same(out, 'License accepted.\nSuccessfully installed "Test Pack".\n')
    check(h("extpack", "install", "--replace", "--accept-license=00", path).rc == 1, "another license's digest")


def hostile(h):
    outside = os.path.join(h.top, "outside")
    good = XML.format(name="Test Pack", more="").encode()
    sha = hashlib.sha512(good).hexdigest()
    bomb = tarfile.TarInfo("big")
    cases = {
        "with a name that is not allowed": [pack(h, entries=[(member(n), b"x")], file=f"n{k}") for k, n in
                                            enumerate((outside, "../outside", "a/../../outside", ".hidden", "a//b", "a b", "x" * 300, "a\nb"))],
        "something else than files and folders": [pack(h, entries=[(member("l", kind, link), b"")], file=f"k{k}") for k, (kind, link) in enumerate(
            ((tarfile.SYMTYPE, "/etc/passwd"), (tarfile.LNKTYPE, "ExtPack.xml"), (tarfile.FIFOTYPE, ""), (tarfile.CHRTYPE, "")))],
        "a file twice": [pack(h, entries=[(member("ExtPack.xml"), good)])],
        "too many files": [pack(h, entries=[(member(f"f{n}"), b"") for n in range(1100)], file="many")],
        "is larger than 256 MB": [pack(h, entries=[(bomb, bytes(300 << 20))], file="bomb")],
        "no digest of": [pack(h, entries=[(member("unlisted"), b"x")], file="unlisted")],
        "VERR_MANIFEST_DIGEST_MISMATCH": [pack(h, manifest=f"SHA512 (ExtPack.xml) = {sha[::-1]}\n", file="wrong")],
        "lists a file it does not hold": [pack(h, manifest=f"SHA512 (nothing) = {sha}\n", file="absent")],
        "has a line that is none": [pack(h, manifest="frob\n", file="line")],
        "no name of an extension pack": [pack(h, name=n, file=f"name{k}") for k, n in enumerate(("a/b", "..", "x" * 100, "no"))],
        "describes no extension pack": [pack(h, files={"ExtPack.xml": b"<Other/>"}, file="other")],
        "Failed to open the extension pack": [pack(h, files={"ExtPack.xml": b"<!DOCTYPE x><VirtualBoxExtensionPack/>"}, file="doctype")],
    }
    os.truncate(pack(h, file="cut"), 100)
    cases["Failed to open the extension pack"].append(os.path.join(h.top, "cut"))
    for text, paths in cases.items():
        for path in paths:
            r = h("extpack", "install", path)
            check(r.rc == 1 and text in r.err and r.out == "", f"{path}: {text}: {r}")
    check(not os.path.exists(outside) and installed(h) == [] and not os.path.exists(os.path.join(h.config, "ExtPacks")), "something was left")


main(words, life, license_asked, hostile)
