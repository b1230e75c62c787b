"""disk.py CONTROLLER - Debian boots from a disk on this storage controller, uses the driver it should, keeps its files over a
reboot, finds the DVD drive's disc; CONTROLLERS says which driver and what else is on it."""
import os
import re
import subprocess
import sys

from debian import wait_shell, sums
from guest import GUESTS, Machine, check, main, make

CONTROLLERS = {
    "AHCI": {"driver": "ahci", "kernel": "amd64", "disc": True, "HOST_CACHE": "off"},
    "NVMe": {"driver": "nvme", "kernel": "amd64"},
    "LsiLogic": {"driver": "mptspi", "kernel": "amd64", "disc": True},
    "LsiLogicSas": {"driver": "mptsas", "kernel": "amd64", "disc": True},
    "VirtioSCSI": {"driver": "virtio-pci", "kernel": "cloud", "disc": True},
    "VirtioBlk": {"driver": "virtio-pci", "kernel": "cloud"},
}


def disc():
    """An image of a CD with a known file."""
    path = os.path.join(GUESTS, "disk-test.iso")
    if not os.path.exists(path):
        folder = os.path.join(GUESTS, "disk-test")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "words"), "w", encoding="utf-8") as words:
            words.write("a disc is in the drive\n" * 10000)
        subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-o", path, folder], check=True)
    return path


def root_disk(m):
    return re.search(r"\n(sd[a-z]|vd[a-z]|nvme\dn\d)p?1? on /mnt", m.run("mount | sed 's,/dev/,,'")).group(1)


def driver_of(m, disk):
    """The name of the driver of the disk's PCI function."""
    function = re.findall(r"/(0000:00:[0-9a-f.]+)/", m.run(f"realpath /sys/block/{disk}"))[-1]
    return m.run(f"realpath /sys/bus/pci/devices/{function}/driver")


def writes(m):
    m.run("mount -o remount,rw /mnt")
    m.run("dd if=/dev/urandom of=/mnt/data bs=64k count=64 2> /dev/null; sync", 120)
    first = m.run("md5sum /mnt/data /mnt/initrd.img", 120)
    m.run("echo 3 > /proc/sys/vm/drop_caches")
    second = m.run("md5sum /mnt/data /mnt/initrd.img", 120)
    check(len(sums(first)) == 2 and sums(first) == sums(second), f"sums differ:\n{first}\n{second}")
    return sums(first)[0]


def reads_disc(m):
    m.run("mkdir -p /cd; mount -t iso9660 -o ro /dev/sr0 /cd")
    check("\n10000\n" in m.run("grep -c 'a disc is in the drive' /cd/words", 120), "the disc's file is another one")
    m.run("umount /cd")


def test(name, driver, kernel, disc_too, **settings):
    more = {"DVD": disc()} if disc_too else {}
    m = Machine(make("t-disk-" + name.lower(), CONTROLLER=name, KERNEL=kernel, **more, **settings))
    try:
        wait_shell(m)
        disk = root_disk(m)
        found = driver_of(m, disk)
        check(f"/{driver}\n" in found, f"the disk is not {driver}'s: {found}")
        data = writes(m)
        if disc_too:
            reads_disc(m)
        m.type("sync; reboot -f\r")
        wait_shell(m)
        again = m.run("md5sum /mnt/data", 120)
        check(data in again, f"the file changed over a reboot: {data}\n{again}")
        log = m.run("dmesg | grep -ciE 'BUG:|Oops|I.O error|Emask|timed out'")
        check("\n0\n" in log, f"the kernel complains: {log}\n{m.run('dmesg | tail -60')}")
        m.type("poweroff -f\r")
        m.wait_end(60)
    finally:
        m.kill()


if __name__ == "__main__":
    row = dict(CONTROLLERS[sys.argv[1]])
    main(lambda: test(sys.argv[1], disc_too=row.pop("disc", False), **row))
