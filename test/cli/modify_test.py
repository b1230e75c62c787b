#!/usr/bin/env python3
"""modify_test.py - every option of modifyvm is kept, and bad arguments change nothing."""
import json
import os

from golden import com_error, same, syntax_error
from manage import check, main

# option and arguments: property of IMachine and its value
MACHINE = [
    (("--page-fusion", "on"), "PageFusionEnabled", True), (("--bioslogofadein", "off"), "LogoFadeIn", False),
    (("--firmware-logo-display-time", "5"), "LogoDisplayTime", 5), (("--biosbootmenu", "menuonly"), "BootMenuMode", "MenuOnly"),
    (("--biossystemtimeoffset", "-60000"), "TimeOffset", -60000), (("--biosapic", "x2apic"), "APICMode", "X2APIC"),
    (("--bios-pxe-debug", "on"), "PXEDebugEnabled", True), (("--acpi", "off"), "ACPIEnabled", False), (("--ioapic", "on"), "IOAPICEnabled", True),
    (("--cpuid-portability-level", "2"), "CPUIDPortabilityLevel", 2), (("--paravirtprovider", "kvm"), "ParavirtProvider", "KVM"),
    (("--paravirtdebug", "x=y"), "ParavirtDebug", "x=y"), (("--cpuhotplug", "on"), "CPUHotPlugEnabled", True),
    (("--cpu-profile", "Intel 8086"), "CPUProfile", "Intel 8086"), (("--cpuexecutioncap", "40"), "CPUExecutionCap", 40),
    (("--rtcuseutc", "on"), "RTCUseUTC", True), (("--graphicscontroller", "vmsvga"), "GraphicsControllerType", "VMSVGA"),
    (("--monitorcount", "2"), "MonitorCount", 2), (("--accelerate3d", "on"), "Accelerate3DEnabled", True), (("--system-uuid-le", "off"), "SMBIOSUuidLittleEndian", False),
    (("--bios-auto-serial-num-gen", "off"), "AutoSerialNumGen", False), (("--tpm-type", "2.0"), "TPMType", "v2_0"), (("--tpm-location", "/x"), "TPMLocation", "/x"),
    (("--vm-execution-engine", "interpreter"), "VMExecutionEngine", "Interpreter"), (("--usbcardreader", "on"), "EmulatedUSBCardReaderEnabled", True),
    (("--vrde-extpack", "VNC"), "VRDEExtPack", "VNC"), (("--vrdeauthlibrary", "lib"), "VRDEAuthLibrary", "lib"), (("--vrdeauthtype", "external"), "VRDEAuthType", "External"),
    (("--teleporter", "on"), "TeleporterEnabled", True), (("--teleporterport", "6000"), "TeleporterPort", 6000),
    (("--teleporter-password", "pw"), "TeleporterPassword", "30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4"),
    (("--guest-debug-provider", "gdb"), "GuestDebugProvider", "GDB"), (("--guest-debug-io-provider", "tcp"), "GuestDebugIoProvider", "TCP"),
    (("--guest-debug-address", "127.0.0.1"), "GuestDebugAddress", "127.0.0.1"), (("--guest-debug-port", "5000"), "GuestDebugPort", 5000),
    (("--autostart-enabled", "on"), "AutostartEnabled", True), (("--autostop-type", "savestate"), "AutostopType", "SaveState"),
    (("--defaultfrontend", "headless"), "DefaultFrontend", "headless"), (("--vm-process-priority", "high"), "VMProcessPriority", "High"),
    (("--hpet", "on"), "HPETEnabled", True), (("--hwvirtex", "off"), "HWVirtExEnabled", False), (("--ibpb-on-vm-entry", "on"), "IBPBOnVMEntry", True),
    (("--spec-ctrl", "on"), "SpecCtrl", True), (("--nested-hw-virt", "on"), "NestedHWVirt", True), (("--recording", "on"), "RecordingEnabled", True),
    (("--iommu", "amd"), "IommuType", "AMD"), (("--chipset", "ich9"), "ChipsetType", "ICH9"), (("--guestmemoryballoon", "8"), "MemoryBalloonSize", 8),
    (("--iocachesize", "7"), "IOCacheSize", 7), (("--snapshotfolder", "/s"), "SnapshotFolder", "/s"), (("--tracing-config", "c"), "TracingConfig", "c"),
    (("--keyboard", "usb"), "KeyboardHIDType", "USBKeyboard"), (("--audiocontroller", "hda"), "AudioController", "HDA"),
]


# words of older versions, and those that differ from the API's: option, word, property, value
WORDS = [(option, word, key, val) for option, key, pairs in (
    ("--graphicscontroller", "GraphicsControllerType", "none:Null disabled:Null vboxvga:VBoxVGA vbox:VBoxVGA vga:VBoxVGA vesa:VBoxVGA vmware:VMSVGA svga:VBoxSVGA"),
    ("--biosapic", "APICMode", "lapic:APIC disabled:Disabled xapic:APIC"), ("--iommu", "IommuType", "intel:Intel disabled:None"),
    ("--tpm-type", "TPMType", "swtpm:Swtpm disabled:None"), ("--guest-debug-provider", "GuestDebugProvider", "native:Native kd:KD none:None"),
    ("--audio-driver", "AudioDriver", "dsound:DirectSound none:Null"), ("--firmware", "FirmwareType", "efidual:EFIDUAL bios:BIOS"))
    for word, val in (pair.split(":") for pair in pairs.split())]


def words_of_options(h):
    h.ok("createvm", "--name", "m", "--register")
    for option, word, key, val in WORDS:
        h.ok("modifyvm", "m", option, word)
        check(json.loads(h.ok("showvminfo", "m", "--json"))[key] == val, f"{option} {word}: {key} is not {val}")
    h.ok("modifyvm", "m", "--graphicscontroller", "none", "--guest-debug-provider", "native", "--nic1", "hostif", "--nicpromisc1", "allow-network")
    h.stop()  # what follows comes from the file
    d = json.loads(h.ok("showvminfo", "m", "--json"))
    same((d["GraphicsControllerType"], d["GuestDebugProvider"]), ("Null", "Native"))
    i = h.info("m")
    same((i["nic1"], i["graphicscontroller"]), ("bridged", "null"))
    for option, word, kind in (("--graphicscontroller", "cga", "GraphicsControllerType"), ("--guest-debug-provider", "x", "GuestDebugProvider")):
        com_error(h("modifyvm", "m", option, word), f"Invalid {kind}: '{word}'", "E_INVALIDARG (0x80070057)", "SessionMachine", "IMachine")


def machine_properties(h):
    h.ok("createvm", "--name", "m", "--register")
    words = [w for option, _, _ in MACHINE for w in option]
    h.ok("modifyvm", "m", *words)
    h.stop()  # what follows comes from the file
    d = json.loads(h.ok("showvminfo", "m", "--json"))
    for option, key, val in MACHINE:
        check(d[key] == val, f"{' '.join(option)}: {key} is {d[key]!r}, not {val!r}")


def lists(h):
    h.ok("createvm", "--name", "m", "--register", "--ostype", "Debian_64")
    with open(os.path.join(h.top, "i.png"), "wb") as f:
        f.write(b"\x89PNG")
    h.ok("modifyvm", "m", "--cpus", "4", "--cpuid-set", "80000001:2", "1", "2", "3", "ff", "--pci-attach", "02:01.0@05:00.0", "--iconfile", "i.png",
         "--recordingvideores", "800x600", "--recordingfile", "r.webm", "--recordingvideofps", "30", "--usbxhci", "on", "--usb-rename", "XHCI", "new",
         "--cpu-hotplug", "on", "--plug-cpu", "2", "--testing-enabled", "on")
    d = json.loads(h.ok("showvminfo", "m", "--json"))
    same((d["CPUIDLeaves"], d["HostPCIDevices"], d["IconData"]), ([[0x80000001, 2, 1, 2, 3, 255]], [[0x208, 0x500, "02:01.0"]], "iVBORw=="))
    screen, = d["RecordingScreens"]
    same((screen["VideoWidth"], screen["VideoFPS"], screen["Filename"]), (800, 30, os.path.join(h.top, "r.webm")))
    check("new" in [u["Name"] for u in d["USBControllers"]], d["USBControllers"])
    com_error(h("modifyvm", "m", "--plug-cpu", "2"), "CPU 2 is already attached", "VBOX_E_OBJECT_IN_USE (0x80bb000c)", "SessionMachine", "IMachine")
    com_error(h("modifyvm", "m", "--unplug-cpu", "0"), "It is not possible to detach CPU 0", "E_INVALIDARG (0x80070057)", "SessionMachine", "IMachine")
    h.ok("modifyvm", "m", "--cpuid-remove-all", "--pci-detach", "02:01.0", "--unplug-cpu", "2")
    d = json.loads(h.ok("showvminfo", "m", "--json"))
    same((d["CPUIDLeaves"], d["HostPCIDevices"]), ([], []))
    syntax_error(h("modifyvm", "m", "--pci-attach", "nonsense"), "Invalid --pci-attach argument 'nonsense'")
    syntax_error(h("modifyvm", "m", "--cpuid-set", "1", "2"),
                 "Invalid or missing argument to '--cpuid-set': leaf[:subleaf] eax ebx ecx edx, hexadecimal")


def old_storage_options(h):
    h.ok("createvm", "--name", "m", "--register")
    h.ok("storagectl", "m", "--name", "IDE", "--add", "ide")
    disk = os.path.join(h.top, "d.vdi")
    h.ok("createhd", "--filename", disk, "--size", "4")
    h.ok("modifyvm", "m", "--hda", disk, "--dvd", "none", "--idecontroller", "ich6", "--sata", "on", "--sataportcount", "5")
    i = h.info("m")
    same((i["IDE-0-0"], i["IDE-1-0"], i["storagecontrollertype0"], i["storagecontrollerportcount1"]), (disk, "emptydrive", "ICH6", "5"))
    h.ok("modifyvm", "m", "--hda", "none", "--sataport3", disk)
    same((h.info("m")["IDE-0-0"], h.info("m")["SATA-2-0"]), ("none", disk))


main(machine_properties, words_of_options, lists, old_storage_options)
