"""managed.py - a Debian guest as a machine of VBoxManage's: made from a guest's disk, with its serial line as a socket."""
import os
import shutil


def create(h, vbox, ram_mib=256, controller="ide"):
    """Registers the machine `deb` with a copy of that guest's disk; returns its folder. The first disk is at port 0, device 0."""
    folder = os.path.join(h.vms, "deb")
    h.ok("createvm", "--name", "deb", "--ostype", "Debian_64", "--register")
    disk = shutil.copy(vbox.replace(".vbox", ".vdi"), folder)
    h.ok("modifyvm", "deb", "--memory", str(ram_mib), "--boot1", "disk", "--rtc-use-utc", "on", "--uart1", "0x3f8", "4",
         "--uartmode1", "server", os.path.join(folder, "serial"), "--nic1", "none", "--mouse", "ps2")
    h.ok("storagectl", "deb", "--name", "disks", "--add", controller)
    attach(h, 0, 0, disk)
    return folder


def attach(h, port, device, medium):
    h.ok("storageattach", "deb", "--storagectl", "disks", "--port", str(port), "--device", str(device), "--type", "hdd", "--medium", medium)
