#!/usr/bin/env python3
"""unattended_test.py - unattended installation: discs are recognised, Debian's answers are what debconf takes, and the disc that is made boots
and differs from the original by three files. (The installation itself is not run here.) Discs are made by xorriso."""
import os
import re
import subprocess

from golden import same, syntax_error
from manage import check, main

ISOLINUX = "/usr/lib/ISOLINUX/isolinux.bin"


def iso(h, label, kernel="install.amd", boot=True):
    """A disc with the files an installation disc has."""
    tree = os.path.join(h.top, label.replace(" ", "_"))
    for folder in ("isolinux", "boot/grub", kernel):
        os.makedirs(os.path.join(tree, folder))
    for name, text in ((f"{kernel}/vmlinuz", "kernel"), (f"{kernel}/initrd.gz", "ramdisk"), ("isolinux/isolinux.cfg", "theirs"),
                       ("boot/grub/grub.cfg", "theirs"), ("README.txt", "kept")):
        with open(os.path.join(tree, name), "w", encoding="ascii") as f:
            f.write(text)
    subprocess.run(["cp", ISOLINUX, os.path.join(tree, "isolinux")], check=True)
    path = tree + ".iso"
    how = ["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"] if boot else []
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-J", "-R", "-V", label, *how, "-o", path, tree], check=True, capture_output=True)
    return path


def file_of(disc, name):
    to = disc + ".file"
    subprocess.run(["xorriso", "-osirrox", "on", "-indev", disc, "-extract", name, to], check=True, capture_output=True)
    os.chmod(to, 0o600)
    with open(to, encoding="ascii") as f:
        text = f.read()
    os.unlink(to)
    return text


def names_of(disc):
    out = subprocess.run(["xorriso", "-indev", disc, "-find", "/", "-type", "f"], check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"^'(.*)'$", out, re.M)) - {"/isolinux/boot.cat"}


def detect(h):
    debian = iso(h, "Debian 12.5.0 amd64 n")
    same(h.ok("unattended", "detect", "--iso", debian), f"VBoxManage: info: Detected '{debian}' to be:\n    OS TypeId    = Debian12_64\n"
         "    OS Version   = 12\n    OS Flavor    = \n    OS Languages = \n    OS Hints     = \n    Unattended installation supported = yes\n")
    other = iso(h, "Fedora-WS-Live-39-1-5")
    out = h.ok("unattended", "detect", f"--iso={other}", "--machine-readable")
    same(out, 'OSTypeId="Fedora_64"\nOSVersion=""\nOSFlavor=""\nOSLanguages=""\nOSHints=""\nIsInstallSupported="off"\n')
    unknown = iso(h, "NOTHING")
    check('OSTypeId=""' in h.ok("unattended", "detect", "--iso", unknown, "--machine-readable"), "an unknown disc")
    h.ok("createvm", "--name", "m", "--register", "--default", "--ostype", "Debian_64")
    for disc, text in ((other, f"Unattended installation is not supported for 'Fedora_64'; attach '{other}' and start the machine instead"),
                       (unknown, f"Could not detect the system on '{unknown}'")):
        r = h("unattended", "install", "m", "--iso", disc)
        same((r.rc, r.out, r.err), (1, "", f"VBoxManage: error: {text}\n"))


def words(h):
    syntax_error(h("unattended"), "Missing subcommand")
    syntax_error(h("unattended", "frob"), "Unknown subcommand: frob")
    syntax_error(h("unattended", "detect"), "No ISO specified")
    syntax_error(h("unattended", "install", "--iso", "x"), "Missing VM name/UUID")
    r = h("unattended", "detect", "--iso", "x")
    same((r.rc, r.err), (1, f"VBoxManage: error: Could not find the ISO '{h.top}/x' (VERR_FILE_NOT_FOUND)\n"))


def refused(h):
    debian = iso(h, "Debian 12.5.0 amd64 n")
    h.ok("createvm", "--name", "m", "--register", "--default", "--ostype", "Debian_64")
    for option, value in (("--user", "Root User"), ("--user", "a\nd-i x"), ("--full-user-name", "a\nb"), ("--locale", "english"), ("--country", "USA"),
                          ("--hostname", "plain"), ("--time-zone", "a b"), ("--extra-install-kernel-parameters", "a}\n"), ("--user", "u" * 40)):
        r = h("unattended", "install", "m", "--iso", debian, option, value)
        check(r.rc == 1 and f"Invalid value for {option}: " in r.err, f"{option} {value!r}: {r}")
    template = os.path.join(h.top, "t")
    with open(template, "w", encoding="ascii") as f:
        f.write("x @@VBOX_INSERT_FROB@@")
    r = h("unattended", "install", "m", "--iso", debian, "--script-template", template)
    check(r.rc == 1 and "unknown place '@@VBOX_INSERT_FROB@@'" in r.err, repr(r))
    h.ok("storageattach", "m", "--storagectl", "IDE", "--port", "1", "--device", "0", "--medium", "none")
    r = h("unattended", "install", "m", "--iso", debian)
    check(r.rc == 1 and "The machine 'm' has no DVD drive" in r.err, repr(r))
    check(not any(f.startswith("Unattended") for f in os.listdir(os.path.join(h.vms, "m"))), "something was left")


def install(h):
    debian = iso(h, "Debian 12.5.0 amd64 n")
    h.ok("createvm", "--name", "My guest!", "--register", "--default", "--ostype", "Debian_64")
    before = h.info("My guest!")
    out = h.ok("unattended", "install", "My guest!", "--iso", debian, "--dry-run")
    same(h.info("My guest!"), before)
    out = h.ok("unattended", "install", "My guest!", "--iso", debian, "--user", "jo", "--user-password", "s3cret pass", "--full-user-name", "Jo Q",
               "--locale", "de_AT", "--time-zone", "Europe/Vienna", "--extra-install-kernel-parameters", "console=ttyS0", "--post-install-command",
               "in-target touch /done")
    uuid = before["UUID"]
    check(out.startswith(f"VBoxManage: info: Preparing unattended installation of Debian12_64 in machine 'My guest!' ({uuid}).\n"), out)
    check(out.endswith(f"VBoxManage: info: VM 'My guest!' ({uuid}) is ready to be started (e.g. VBoxManage startvm).\n"), out)
    for key, value in (("isoPath", debian), ("user", "jo"), ("country", "AT"), ("hostname", "my-guest.myguest.virtualbox.org")):
        check(f"{key:>32} = {value}\n" in out, out)
    check("s3cret" not in out, "the password was printed")
    now = h.info("My guest!")
    disc = os.path.join(h.vms, "My guest_", f"Unattended-{uuid}-aux-iso.iso")
    same((now["IDE-1-0"], now["boot1"], now["boot2"]), (disc, "disk", "dvd"))
    same(names_of(disc) - names_of(debian), {"/preseed.cfg"})
    same(file_of(disc, "/README.txt"), "kept")
    answers = file_of(disc, "/preseed.cfg")
    subprocess.run(["debconf-set-selections", "-c"], input=answers, text=True, check=True)
    for line in ("debian-installer/locale string de_AT", "passwd/username string jo", "passwd/user-fullname string Jo Q", "time/zone string Europe/Vienna",
                 "netcfg/get_hostname string my-guest", "preseed/late_command string in-target touch /done"):
        check(f"d-i {line}\n" in answers, answers)
    check("s3cret" not in answers and "@@" not in answers, answers)
    stored = re.search(r"user-password-crypted password (\$6\$([^$]+)\$\S+)\n", answers)
    again = subprocess.run(["openssl", "passwd", "-6", "-salt", stored[2], "s3cret pass"], capture_output=True, text=True, check=True).stdout.strip()
    same(again, stored[1])
    for menu in ("/isolinux/isolinux.cfg", "/boot/grub/grub.cfg"):
        text = file_of(disc, menu)
        check("/install.amd/vmlinuz" in text and "auto=true priority=critical file=/cdrom/preseed.cfg console=ttyS0 ---" in text, text)
    report = subprocess.run(["xorriso", "-indev", disc, "-report_el_torito", "plain"], capture_output=True, text=True, check=True).stdout
    check("/isolinux/isolinux.bin" in report, report)


main(words, detect, refused, install)
