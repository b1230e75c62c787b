#!/usr/bin/env python3
"""showvminfo_test.py - a machine with something of everything, in both forms, line by line: keys, labels, words and their order are VirtualBox 7.0's.

The texts are showvminfo.txt (for scripts) and showvminfo-human.txt; {..} stands for what differs from run to run. RB_GOLDEN=1 prints what came.
"""
import os
import re
import signal

from golden import UUID, same
from manage import check, main

HERE = os.path.dirname(os.path.realpath(__file__))
MODIFY = (
    "--description", 'a "b" \\c', "--groups", "/g,/h", "--ostype", "Debian_64", "--memory", "64", "--vram", "9", "--cpus", "2", "--cpuid-set", "1:2", "3", "4", "5", "6",
    "--cpuid-portability-level", "1", "--boot1", "net", "--boot2", "none", "--firmware", "bios", "--rtc-use-utc", "on", "--iommu", "none", "--paravirt-provider", "kvm",
    "--paravirt-debug", "p=1", "--graphicscontroller", "vmsvga", "--monitor-count", "2", "--teleporter", "on", "--teleporter-port", "6000", "--teleporter-address", "::1",
    "--tracing-enabled", "on", "--tracing-allow-vm-access", "on", "--tracing-config", "t", "--autostart-enabled", "on", "--autostart-delay", "7", "--default-frontend", "headless",
    "--vm-process-priority", "low", "--mouse", "usbtablet", "--keyboard", "usb", "--audio-driver", "alsa", "--audio-enabled", "on", "--audio-controller", "hda", "--audio-out", "on",
    "--clipboard-mode", "hosttoguest", "--clipboard-file-transfers", "enabled", "--drag-and-drop", "bidirectional",
    "--uart1", "0x3f8", "4", "--uart-mode1", "server", "/tmp/pipe", "--uart2", "0x2f8", "3", "--uart-mode2", "tcpclient", "localhost:9", "--uart-type2", "16750",
    "--uart3", "0x3e8", "4", "--uart-mode3", "file", "/tmp/f", "--uart4", "0x2e8", "3", "--uart-mode4", "/dev/ttyS0", "--lpt1", "0x378", "7", "--lpt-mode1", "/dev/lp0",
    "--vrde", "on", "--vrde-port", "5000-5010", "--vrde-address", "127.0.0.1", "--vrde-auth-type", "external", "--vrde-multi-con", "on", "--vrde-reuse-con", "on",
    "--vrde-video-channel", "on", "--vrde-video-channel-quality", "75", "--vrde-property", "Security/Method=TLS", "--usb-ohci", "on", "--usb-xhci", "on",
    "--recording", "on", "--recording-video-fps", "30", "--recording-file", "/tmp/r.webm", "--recording-video-res", "800x600", "--guest-memory-balloon", "8",
    "--nic1", "nat", "--natpf1", "ssh,tcp,127.0.0.1,2222,,22", "--natpf1", "dns,udp,,53,10.0.2.15,53", "--nat-settings1", "1500,1,2,3,4",
    "--nic2", "bridged", "--bridge-adapter2", "eth0", "--cable-connected2", "off", "--nic-speed2", "10000", "--nic-boot-prio2", "1", "--nic-promisc2", "allow-vms",
    "--nic3", "intnet", "--intnet3", "i", "--nic-trace3", "on", "--nic-trace-file3", "/tmp/t", "--nic-bandwidth-group3", "net",
    "--nic4", "hostonly", "--host-only-adapter4", "vboxnet0", "--nic5", "generic", "--nic-generic-drv5", "UDPTunnel", "--nic-property5", "dest=1.2.3.4", "--nic-property5", "sport=1",
    "--nic6", "natnetwork", "--nat-network6", "n", "--nic7", "null", "--nic-type1", "82545EM", "--nic-type2", "virtio", "--nic-type3", "Am79C970A", "--nic-type4", "82540EM",
    "--nic-type5", "82540EM", "--nic-type6", "82540EM", "--nic-type7", "82540EM")


def machine(h):
    disk = os.path.join(h.top, "d.vdi")
    h.ok("createvm", "--name", "m", "--register")
    h.ok("bandwidthctl", "m", "add", "disk", "--type", "disk", "--limit", "10M")
    h.ok("bandwidthctl", "m", "add", "net", "--type", "network", "--limit", "8m")
    h.ok("bandwidthctl", "m", "add", "odd", "--type", "network", "--limit", "0")
    h.ok("modifyvm", "m", *MODIFY)
    for number in range(1, 8):
        h.ok("modifyvm", "m", f"--mac-address{number}", f"08002700000{number}")
    h.ok("modifyvm", "m", "--pci-attach", "02:01.0@01:05.0")
    for controller in ("sata", "ide", "floppy"):
        h.ok("storagectl", "m", "--name", controller.upper() if controller != "floppy" else "Floppy", "--add", controller, *(("--portcount", "2") if controller == "sata" else ()))
    h.ok("createmedium", "--filename", disk, "--size", "8")
    h.ok("storageattach", "m", "--storagectl", "SATA", "--port", "0", "--type", "hdd", "--medium", disk, "--nonrotational", "on", "--discard", "on", "--hotpluggable", "on")
    h.ok("storageattach", "m", "--storagectl", "IDE", "--port", "1", "--device", "0", "--type", "dvddrive", "--medium", "emptydrive", "--tempeject", "on")
    h.ok("usbfilter", "add", "0", "--target", "m", "--name", "f", "--vendorid", "046d", "--productid", "c52b", "--manufacturer", "x", "--maskedinterfaces", "6")
    h.ok("usbfilter", "add", "1", "--target", "m", "--name", "g", "--active", "no", "--serialnumber", "s", "--remote", "yes")
    h.ok("sharedfolder", "add", "m", "--name", "s", "--hostpath", h.top, "--readonly", "--automount", "--auto-mount-point", "/mnt")
    h.ok("sharedfolder", "add", "m", "--name", "t", "--hostpath", h.top)
    h.ok("snapshot", "m", "take", "one", "--description", "first")
    h.ok("snapshot", "m", "take", "two")
    h.ok("snapshot", "m", "restore", "one")
    h.ok("snapshot", "m", "take", "three", "--description", "a\nb")


def plain(h, text):
    """Without what differs from run to run."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+", "{TIME}", text.replace(h.top, "{TOP}"))
    return re.sub(UUID, "{UUID}", text)


def compare(h, name, got):
    got = plain(h, got)
    if os.environ.get("RB_GOLDEN"):
        print("\n".join("# " + line for line in got.splitlines()), flush=True)
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        wanted = f.read()
    for number, (one, two) in enumerate(zip(got.splitlines(), wanted.splitlines()), 1):
        check(one == two, f"{name}, line {number}: got\n{one}\nwanted\n{two}")
    same(len(got.splitlines()), len(wanted.splitlines()))


def at_rest(h):
    machine(h)
    compare(h, "showvminfo.txt", h.ok("showvminfo", "m", "--machinereadable"))
    compare(h, "showvminfo-human.txt", h.ok("showvminfo", "m"))


def running(h):
    """What is there only while it runs, in its place; and what goes with a saved state."""
    h.ok("createvm", "--name", "m", "--register")
    h.ok("modifyvm", "m", "--memory", "32", "--vram", "8")
    before = h.ok("showvminfo", "m", "--machinereadable")
    h.ok("startvm", "m", "--type", "headless")
    h.ok("sharedfolder", "add", "m", "--name", "t", "--hostpath", h.top, "--transient")
    text = h.ok("showvminfo", "m", "--machinereadable")
    check(re.search(r'\ndraganddrop="disabled"\nSessionName="headless"\nVideoMode="\d+,\d+,32"@0,0 1\nvrde="off"\n', text), text)
    check(f'\nxhci="off"\nSharedFolderNameTransientMapping1="t"\nSharedFolderPathTransientMapping1="{h.top}"\nVRDEActiveConnection="off"\nVRDEClients==0\n'
          'recording_enabled="off"\n' in text, text)
    check(text.endswith("GuestMemoryBalloon=0\nGuestAdditionsRunLevel=0\n"), text)
    human = h.ok("showvminfo", "m")
    check(re.search(r"\nVideo mode: {17} \d+x\d+x32 at 0,0 enabled\nVRDE: {23} disabled\n", human), human)
    check("\nAvailable remote USB devices: <none>\nCurrently attached USB devices: <none>\nBandwidth groups:            <none>\n" in human, human)
    check("\nVRDE Connection:             not active\nClients so far:              0\nRecording enabled:           no\n" in human, human)
    check(human.endswith("\n* Guest:\nConfigured memory balloon:   0MB\nAdditions run level:         0\nGuest Facilities:            <none>\n\n"), human)
    for pid in h.pids("VBoxHeadless"):
        os.kill(pid, signal.SIGSTOP)
    text = h.ok("showvminfo", "m", "--machinereadable")  # a process that stands still is waited for, but not for ever
    for pid in h.pids("VBoxHeadless"):
        os.kill(pid, signal.SIGCONT)
    check('VMState="running"' in text and "VideoMode" not in text, text)
    h.ok("controlvm", "m", "savestate")
    text = h.ok("showvminfo", "m", "--machinereadable")
    check(re.search(r'\nVMState="saved"\nVMStateChangeTime="[^"]*"\nVMStateFile="[^"]*\.sav"\ngraphicscontroller=', text), text)
    h.ok("discardstate", "m")
    same(plain(h, h.ok("showvminfo", "m", "--machinereadable")), plain(h, before))


main(at_rest, running)
