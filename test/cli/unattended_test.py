#!/usr/bin/env python3
"""unattended_test.py - unattended installation: discs are recognised, Debian's answers are what debconf takes, those of the others what
their languages allow, and the disc that is made boots and differs from the original by a few files. (The installation itself is not run here.) Discs are made by xorriso."""
import base64
import json
import os
import re
import shlex
import subprocess
from xml.etree import ElementTree

from golden import same, syntax_error
from manage import check, main

ISOLINUX = "/usr/lib/ISOLINUX/isolinux.bin"


def iso(h, label, kernel="install.amd/vmlinuz", ramdisk="install.amd/initrd.gz", boot=True):
    """A disc with the files an installation disc has."""
    tree = os.path.join(h.top, label.replace(" ", "_"))
    for name, text in ((kernel, "kernel"), (ramdisk, "ramdisk"), ("isolinux/isolinux.cfg", "theirs"), ("boot/grub/grub.cfg", "theirs"),
                       ("README.txt", "kept")):
        os.makedirs(os.path.dirname(os.path.join(tree, name)), exist_ok=True)
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


ASKED = ("--user", "jo", "--user-password", "s3cret", "--full-user-name", 'Jo "Q" <x> & \\', "--post-install-command", 'echo "a & b" > /c')


def made(h, label, kernel, ramdisk, script, menu):
    """The answers on the disc that is made, and the words its kernel gets."""
    source = iso(h, label, kernel, ramdisk)
    check("installation supported = yes" in h.ok("unattended", "detect", "--iso", source), label)
    name = kernel.split("/", maxsplit=1)[0]
    h.ok("createvm", "--name", name, "--register", "--default", "--ostype", "Linux_64")
    h.ok("unattended", "install", name, "--iso", source, *ASKED)
    disc = h.info(name)["IDE-1-0"]
    check(script in names_of(disc) and names_of(disc) - names_of(source) <= {script, menu, "/nocloud/meta-data", "/boot/grub2/grub.cfg",
                                                                            "/boot/x86_64/grub2/grub.cfg"}, str(names_of(disc)))
    text = file_of(disc, script)
    check("s3cret" not in text and "@@" not in text, text)
    return text, re.search(rf"kernel /{kernel}\n  append initrd=/{ramdisk} (.*)\n", file_of(disc, menu)).group(1)


def kickstart(h):
    text, words = made(h, "Fedora-S-dvd-x86_64-39", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", "/ks.cfg", "/isolinux/isolinux.cfg")
    same(words, "inst.repo=cdrom inst.ks=cdrom:/ks.cfg")
    lines = dict((line.split(" ", 1) + [""])[:2] for line in text.splitlines())
    user = shlex.split(lines["user"])  # as Anaconda reads a line
    check("--name=jo" in user and '--gecos=Jo "Q" <x> & \\' in user and any(w.startswith("--password=$6$") for w in user), str(user))
    check('\n%post\necho "a & b" > /c\n%end\n' in text and lines["lang"] == "en_US.UTF-8", text)


def autoyast(h):
    text, words = made(h, "openSUSE-Leap-15.5-DVD", "boot/x86_64/loader/linux", "boot/x86_64/loader/initrd", "/autoinst.xml",
                       "/boot/x86_64/loader/isolinux.cfg")
    same(words, "install=cd:/ autoyast=relurl://autoinst.xml")
    ns = "{http://www.suse.com/1.0/yast2ns}"
    profile = ElementTree.fromstring(text)
    users = {u.find(ns + "username").text: u for u in profile.iter(ns + "user")}
    check(set(users) == {"root", "jo"} and users["jo"].find(ns + "fullname").text == 'Jo "Q" <x> & \\', text)
    check(all(u.find(ns + "user_password").text.startswith("$6$") for u in users.values()), text)
    same(profile.find(f".//{ns}source").text, 'echo "a & b" > /c')


def autoinstall(h):
    text, words = made(h, "Ubuntu-Server 22.04 LTS", "casper/vmlinuz", "casper/initrd", "/nocloud/user-data", "/isolinux/isolinux.cfg")
    same(words, "autoinstall ds=nocloud;s=/cdrom/nocloud/")
    same(file_of(h.info("casper")["IDE-1-0"], "/nocloud/meta-data"), "")
    check('  linux /casper/vmlinuz autoinstall "ds=nocloud;s=/cdrom/nocloud/"\n' in file_of(h.info("casper")["IDE-1-0"], "/boot/grub/grub.cfg"), "the menu")
    check(text.startswith("#cloud-config\nautoinstall:\n  version: 1\n"), text)
    values = {k: json.loads(v) for k, v in re.findall(r'^ +(\w+): (".*")$', text, re.M)}  # YAML's double quotes are JSON's
    check(values["username"] == "jo" and values["realname"] == 'Jo "Q" <x> & \\' and values["password"].startswith("$6$"), text)
    same(json.loads(re.search(r"late-commands:\n    - (.*)\n", text).group(1)), 'echo "a & b" > /c')


def live(h):
    """A disc of that system without the installer's kernel."""
    disc = iso(h, "Ubuntu 24.04 LTS", "other/vmlinuz", "other/initrd")
    h.ok("createvm", "--name", "m", "--register", "--default", "--ostype", "Ubuntu_64")
    r = h("unattended", "install", "m", "--iso", disc)
    check(r.rc == 1 and "has no kernel of the installer (autoinstall)" in r.err, repr(r))


def base64_of(text):
    return base64.b64encode(text.encode("utf-16-le")).decode()


def answers_of(h, name, *words):
    """What Windows' setup finds on the floppy, read by mtools; the disc is the one that was given."""
    disc = iso(h, "CENA_X64FREV_EN-US_DV5", "sources/boot.wim", "sources/install.wim")
    h.ok("unattended", "install", name, "--iso", disc, *ASKED, *words)
    info = h.info(name)
    same((info["IDE-1-0"], info["boot1"], info["boot2"]), (disc, "disk", "dvd"))
    floppy = info["Floppy-0-0"]
    same(os.path.basename(floppy), f"Unattended-{info['UUID']}-aux-floppy.img")
    listing = subprocess.run(["mdir", "-b", "-i", floppy, "::"], check=True, capture_output=True, text=True).stdout
    same(listing, "::/autounattend.xml\n")
    text = subprocess.run(["mtype", "-i", floppy, "::/autounattend.xml"], check=True, capture_output=True).stdout.decode()
    check("s3cret" not in text and "@@" not in text, text)
    return text, ElementTree.fromstring(text)


NS = "{urn:schemas-microsoft-com:unattend}"


def windows(h):
    h.ok("createvm", "--name", "w", "--register", "--default", "--ostype", "Windows10_64")
    h.ok("modifyvm", "w", "--firmware", "bios")
    text, tree = answers_of(h, "w", "--time-zone", "Europe/Vienna", "--locale", "de_AT", "--language", "en-US", "--image-index", "6",
                            "--hostname", "a-very-long-host-name.test", "--key", "AAAAA-BBBBB")
    same([s.get("pass") for s in tree], ["windowsPE", "specialize", "oobeSystem"])
    same({c.get("processorArchitecture") for c in tree.iter(NS + "component")}, {"amd64"})
    one = lambda path: [e.text for e in tree.findall(".//" + "/".join(NS + p for p in path.split("/")))]
    for path, wanted in (("ComputerName", ["a-very-long-hos"]), ("TimeZone", ["W. Europe Standard Time"]), ("MetaData/Value", ["6"]),
                         ("InstallTo/PartitionID", ["1"]), ("ProductKey/Key", ["AAAAA-BBBBB"]), ("SetupUILanguage/UILanguage", ["en-US"]),
                         ("InputLocale", ["de-AT", "de-AT"]), ("LocalAccount/Name", ["jo"]), ("LocalAccount/DisplayName", ['Jo "Q" <x> & \\']),
                         ("LocalAccount/Password/Value", [base64_of("s3cretPassword")]), ("AutoLogon/Password/Value", [base64_of("s3cretPassword")]),
                         ("AdministratorPassword/Value", [base64_of("s3cretAdministratorPassword")]),
                         ("SynchronousCommand/CommandLine", ['cmd.exe /c echo "a & b" > /c']), ("CreatePartition/Type", ["Primary"])):
        same((path, one(path)), (path, wanted))
    check("LabConfig" not in text, "what only Windows 11 needs")
    h.ok("modifyvm", "w", "--firmware", "efi", "--ostype", "Windows10")
    text, tree = answers_of(h, "w")  # again, over the first
    same({c.get("processorArchitecture") for c in tree.iter(NS + "component")}, {"x86"})
    same(one("CreatePartition/Type") + one("InstallTo/PartitionID") + one("TimeZone"), ["EFI", "MSR", "Primary", "3", "UTC"])
    check("ProductKey" not in text, text)
    disc = os.path.join(h.top, "CENA_X64FREV_EN-US_DV5.iso")
    for option, value in (("--key", "A B"), ("--language", "english"), ("--image-index", "1000")):
        r = h("unattended", "install", "w", "--iso", disc, option, value)
        check(r.rc == 1 and f"Invalid value for {option}: " in r.err, f"{option} {value!r}: {r}")
    r = h("unattended", "install", "w", "--iso", disc, "--time-zone", "Mars/Base")
    check(r.rc == 1 and "Windows' name of the time zone 'Mars/Base' is not known" in r.err, repr(r))


main(words, detect, refused, install, kickstart, autoyast, autoinstall, live, windows)
