#!/usr/bin/env python3
"""api_test.py - the API's objects beside the machine: each interface is asked, changed and refused through one
connection of its own (api_tool)."""
import os
import re
import subprocess
import time

from manage import BIN, check, main

ROOT = "/org/virtualbox"
SESSION = f"{ROOT}/session/self"


class Api:
    def __init__(self, h):
        h.ok("list", "vms")  # starts the service
        self.tool = subprocess.Popen([os.path.join(BIN, "..", "test", "cli", "api_tool")], env=h.env, cwd=h.top, text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def line(self, text):
        self.tool.stdin.write(text + "\n")
        self.tool.stdin.flush()
        return self.tool.stdout.readline().rstrip("\n")

    def call(self, path, interface, method, args="()"):
        answer = self.line(f"call {path} {interface} {method} {args}")
        check(not answer.startswith("error: "), f"{interface}.{method}{args}: {answer}")
        return answer

    def get(self, path, interface, name, wanted):
        answer = self.line(f"get {path} {interface} {name}")
        check(answer == wanted, f"{path} {interface}.{name} is {answer}, not {wanted}")

    def set(self, path, interface, name, value):
        answer = self.line(f"set {path} {interface} {name} {value}")
        check(answer == "()", f"{interface}.{name} = {value}: {answer}")

    def refused(self, line, code, text):
        answer = self.line(line)
        check(answer.startswith(f"error: {code}: ") and text in answer, f"{line}: {answer}")

    def close(self):
        self.tool.stdin.close()
        self.tool.wait(10)


def object_of(answer):
    return re.fullmatch(r"\((?:objectpath )?'(.*)',\)", answer).group(1)


def locked(h, *modify):
    """A machine and a connection that holds it for writing: connection, path of its copy's node."""
    h.ok("createvm", "--name", "m", "--ostype", "Debian_64", "--register")
    if modify:
        h.ok("modifyvm", "m", *modify)
    api = Api(h)
    path = object_of(api.call(f"{ROOT}/VirtualBox", "IVirtualBox", "FindMachine", "('m',)"))
    api.call(path, "IMachine", "LockMachine", f"(objectpath '{SESSION}', 'Write')")
    copy = api.line(f"get {SESSION} ISession Machine").strip("'")
    return api, copy


def part(machine, kind, rest):
    return machine.replace("/machine/", f"/{kind}/") + "_" + rest


def sound_and_display(h):
    api, m = locked(h)
    api.get(m, "IAudioAdapter", "AudioController", "'AC97'")
    api.set(m, "IAudioAdapter", "Enabled", "true")
    api.set(m, "IAudioAdapter", "AudioDriver", "'Pulse'")
    api.refused(f"set {m} IAudioAdapter AudioCodec 'Opus'", "E_INVALIDARG", "AudioCodecType")
    api.set(m, "IVRDEServer", "Enabled", "true")
    api.set(m, "IVRDEServer", "AuthType", "'External'")
    api.call(m, "IVRDEServer", "SetVRDEProperty", "('TCP/Ports', '5000')")
    check(api.call(m, "IVRDEServer", "GetVRDEProperty", "('TCP/Ports',)") == "('5000',)", "GetVRDEProperty")
    api.call(m, "IMachine", "SaveSettings")
    api.close()
    info = h.info("m")
    check(info["audio"] == "pulse" and info["vrde"] == "on" and info["vrdeports"] == "5000"
          and info["vrdeauthtype"] == "external", str(info))


def nat_engine(h):
    api, m = locked(h)
    nic = part(m, "adapter", "0")
    api.set(nic, "INATEngine", "Network", "'10.9/16'")
    api.call(nic, "INATEngine", "AddRedirect", "('ssh', 'TCP', '', uint16 2222, '', uint16 22)")
    api.refused(f"call {nic} INATEngine AddRedirect ('ssh', 'TCP', '', uint16 2223, '', uint16 22)", "E_INVALIDARG",
                "A NAT rule of this name already exists")
    check("'GuestPort': <22>" in api.call(nic, "INATEngine", "GetRedirects").replace("uint32 ", ""), "GetRedirects")
    api.call(nic, "INetworkAdapter", "SetProperty", "('k', 'v')")
    check(api.call(nic, "INetworkAdapter", "GetProperty", "('k',)") == "('v',)", "GetProperty")
    api.call(m, "IMachine", "SaveSettings")
    check(h.info("m")["natnet1"] == "10.9/16" and h.info("m")["Forwarding(0)"] == "ssh,tcp,,2222,,22", "not saved")
    api.call(nic, "INATEngine", "RemoveRedirect", "('ssh',)")
    api.refused(f"call {nic} INATEngine RemoveRedirect ('ssh',)", "VBOX_E_OBJECT_NOT_FOUND", "NAT rule named 'ssh'")
    api.close()


def lists(h):
    api, m = locked(h)
    api.call(m, "IBandwidthControl", "CreateBandwidthGroup", "('g', 'Disk', int64 1000)")
    group = object_of(api.call(m, "IBandwidthControl", "GetBandwidthGroup", "('g',)"))
    api.get(group, "IBandwidthGroup", "MaxBytesPerSec", "1000")
    api.set(group, "IBandwidthGroup", "MaxBytesPerSec", "int64 5")
    api.refused(f"set {group} IBandwidthGroup MaxBytesPerSec int64 -1", "E_INVALIDARG", "-1")
    api.get(group, "IBandwidthGroup", "Reference", "0")
    check(group in api.call(m, "IBandwidthControl", "GetAllBandwidthGroups"), "GetAllBandwidthGroups")
    api.call(m, "IBandwidthControl", "DeleteBandwidthGroup", "('g',)")
    api.refused(f"get {group} IBandwidthGroup Name", "VBOX_E_OBJECT_NOT_FOUND", "")
    api.call(m, "IMachine", "CreateSharedFolder", "('f', '/tmp', true, false, '')")
    folder = part(m, "sharedfolder", "f")
    api.get(folder, "ISharedFolder", "Accessible", "true")
    api.get(folder, "ISharedFolder", "LastAccessError", "''")
    api.set(folder, "ISharedFolder", "Writable", "false")
    api.call(m, "IMachine", "AddUSBController", "('x', 'XHCI')")
    usb = part(m, "usbcontroller", "x")
    api.get(usb, "IUSBController", "USBStandard", "768")
    api.set(usb, "IUSBController", "Name", "'y'")
    api.get(part(m, "usbcontroller", "y"), "IUSBController", "Type", "'XHCI'")
    api.call(m, "IUSBDeviceFilters", "InsertDeviceFilter", "(uint32 0, {'Name': <'n'>, 'VendorId': <'1234'>})")
    usb = object_of(api.call(m, "IUSBDeviceFilters", "GetDeviceFilters").replace("[", "").replace("]", ""))
    api.get(usb, "IUSBDeviceFilter", "VendorId", "'1234'")
    api.set(usb, "IUSBDeviceFilter", "Active", "true")
    api.refused(f"set {usb} IUSBDeviceFilter ProductId 'xyz'", "E_INVALIDARG", "product ID")
    api.call(m, "IMachine", "SaveSettings")
    info = h.info("m")
    check(info["USBFilterActive1"] == "on" and info["SharedFolderNameMachineMapping1"] == "f", str(info))
    api.close()


def attachment(h):
    h.ok("createvm", "--name", "a", "--register")
    h.ok("storagectl", "a", "--name", "My IDE", "--add", "ide")
    h.ok("storageattach", "a", "--storagectl", "My IDE", "--port", "1", "--device", "0", "--type", "dvddrive", "--medium", "emptydrive")
    api = Api(h)
    path = object_of(api.call(f"{ROOT}/VirtualBox", "IVirtualBox", "FindMachine", "('a',)"))
    place = "".join(c if c.isalnum() else f"_{ord(c):02x}" for c in "My IDE:1:0")
    api.get(part(path, "attachment", place), "IMediumAttachment", "Type", "'DVD'")
    api.get(part(path, "attachment", place), "IMediumAttachment", "Medium", "''")
    api.refused(f"get {part(path, 'attachment', 'x')} IMediumAttachment Type", "VBOX_E_OBJECT_NOT_FOUND", "")
    api.close()


def host_and_types(h):
    api = Api(h)
    kind = object_of(api.call(f"{ROOT}/VirtualBox", "IVirtualBox", "GetGuestOSType", "('debian_64',)"))
    api.get(kind, "IGuestOSType", "Description", "'Debian (64-bit)'")
    api.refused(f"call {ROOT}/VirtualBox IVirtualBox GetGuestOSType ('Plan10',)", "VBOX_E_OBJECT_NOT_FOUND", "'Plan10'")
    name = re.search(r"'Name': <'(\w+)'>", api.call(f"{ROOT}/Host", "IHost", "GetNetworkInterfaces")).group(1)
    net = object_of(api.call(f"{ROOT}/Host", "IHost", "FindHostNetworkInterfaceByName", f"('{name}',)"))
    api.get(net, "IHostNetworkInterface", "NetworkName", f"'HostInterfaceNetworking-{name}'")
    api.refused(f"call {net} IHostNetworkInterface EnableStaticIPConfig ('192.168.56.1', '255.255.255.0')",
                "VBOX_E_OBJECT_NOT_FOUND", "host-only interface")
    api.refused(f"get {ROOT}/hostusbdevice/12345678_1234_1234_1234_123456789012 IHostUSBDevice State",
                "VBOX_E_OBJECT_NOT_FOUND", "")
    api.get(kind, "IGuestOSType", "RecommendedRTCUseUTC", "true")
    api.get(kind, "IGuestOSType", "RecommendedFirmware", "'BIOS'")
    identity = api.line(f"get {net} IHostNetworkInterface Id").strip("'")
    check(object_of(api.call(f"{ROOT}/Host", "IHost", "FindHostNetworkInterfaceById", f"('{identity}',)")) == net, "found by its id")
    for method, what in (("FindHostNetworkInterfaceById", "GUID could not be found: 'x'"), ("FindUSBDeviceById", "uuid 'x'"), ("FindUSBDeviceByAddress", "address 'x'")):
        api.refused(f"call {ROOT}/Host IHost {method} ('x',)", "VBOX_E_OBJECT_NOT_FOUND", what)
    host = f"{ROOT}/Host"
    with open("/etc/resolv.conf", encoding="utf-8") as f:
        servers = re.findall(r"^nameserver\s+(\S+)", f.read(), re.M)
    api.get(host, "IHost", "NameServers", str(servers[:16]) if servers else "@as []")
    api.get(host, "IHost", "Acceleration3DAvailable", "false")
    first = re.match(r"\(\[\((?:uint32 )?0, (?:uint32 )?(\d+), (\d+), (\d+), (\d+)\)", api.call(host, "IHost", "GetProcessorCpuidLeaves").replace("uint32 ", ""))
    check(api.call(host, "IHost", "GetProcessorCPUIDLeaf", "(uint32 0, uint32 0, uint32 0)").replace("uint32 ", "")
          == f"({', '.join(first.groups())})", "GetProcessorCPUIDLeaf")
    check(api.call(host, "IHost", "GetProcessorDescription", "(uint32 0,)") == "(" + api.line(f"get {host} IHost ProcessorDescription") + ",)", "description")
    for method in ("GetProcessorDescription", "GetProcessorSpeed"):
        api.refused(f"call {host} IHost {method} (uint32 99999,)", "E_INVALIDARG", "no processor 99999")
    api.refused(f"call {host} IHost FindHostDVDDrive ('/dev/none',)", "VBOX_E_OBJECT_NOT_FOUND", "The host DVD drive named '/dev/none' could not be found")
    api.refused(f"call {host} IHost FindHostFloppyDrive ('x',)", "VBOX_E_OBJECT_NOT_FOUND", "The host floppy drive named 'x' could not be found")
    check(re.fullmatch(r"\('080027[0-9A-F]{6}',\)", api.call(f"{ROOT}/Host", "IHost", "GenerateMACAddress")), "GenerateMACAddress")
    check(api.call(f"{ROOT}/Host", "IHost", "GetProcessorFeature", "('longmode',)") == "(true,)", "GetProcessorFeature")
    api.refused(f"call {ROOT}/Host IHost GetProcessorFeature ('Magic',)", "E_INVALIDARG", "Invalid ProcessorFeature: 'Magic'")
    api.close()


def limits(h):
    """What machines can be given."""
    api, system = Api(h), f"{ROOT}/SystemProperties"
    api.get(system, "ISystemProperties", "SupportedChipsetTypes", "['PIIX3', 'ICH9']")
    api.get(system, "ISystemProperties", "SupportedUartTypes", "['U16450', 'U16550A', 'U16750']")
    api.get(system, "ISystemProperties", "SupportedAudioDriverTypes", "['Default', 'Null', 'OSS', 'ALSA', 'Pulse']")
    api.get(system, "ISystemProperties", "SupportedStorageBuses", "['IDE', 'SATA', 'SCSI', 'Floppy', 'SAS', 'USB', 'PCIe', 'VirtioSCSI']")
    api.get(system, "ISystemProperties", "ScreenShotFormats", "['PNG']")
    for method, args, wanted in (("GetMaxPortCountForStorageBus", "('SATA',)", "(30,)"), ("GetMinPortCountForStorageBus", "('SCSI',)", "(16,)"),
                                 ("GetMaxDevicesPerPortForStorageBus", "('ide',)", "(2,)"), ("GetMaxInstancesOfStorageBus", "('ICH9', 'SATA')", "(8,)"),
                                 ("GetMaxInstancesOfStorageBus", "('PIIX3', 'SATA')", "(1,)"), ("GetDeviceTypesForStorageBus", "('Floppy',)", "(['Floppy'],)"),
                                 ("GetStorageControllerTypesForStorageBus", "('IDE',)", "(['PIIX4', 'PIIX3', 'ICH6'],)"),
                                 ("GetStorageBusForStorageControllerType", "('IntelAhci',)", "('SATA',)")):
        answer = api.call(system, "ISystemProperties", method, args)
        check(answer == wanted, f"{method}{args}: {answer}")
    for method, args, wanted in (("GetDefaultIoCacheSettingForStorageController", "('PIIX4',)", "(true,)"),
                                 ("GetDefaultIoCacheSettingForStorageController", "('IntelAhci',)", "(false,)"),
                                 ("GetStorageControllerHotplugCapable", "('IntelAhci',)", "(true,)"),
                                 ("GetStorageControllerHotplugCapable", "('LsiLogic',)", "(false,)"),
                                 ("GetMaxInstancesOfUSBControllerType", "('PIIX3', 'XHCI')", "(1,)"),
                                 ("GetMaxNetworkAdaptersOfType", "('ICH9', 'NAT')", "(36,)"), ("GetMaxNetworkAdaptersOfType", "('ICH9', 'HostOnly')", "(8,)"),
                                 ("GetMaxNetworkAdaptersOfType", "('PIIX3', 'Bridged')", "(8,)")):
        answer = api.call(system, "ISystemProperties", method, args)
        check(answer.replace("uint32 ", "") == wanted, f"{method}{args}: {answer}")
    api.refused(f"call {system} ISystemProperties GetMaxNetworkAdaptersOfType ('PIIX3', 'Null')", "E_INVALIDARG", "'Null'")
    api.refused(f"call {system} ISystemProperties GetStorageControllerHotplugCapable ('x',)", "E_INVALIDARG", "'x'")
    api.refused(f"call {system} ISystemProperties GetMaxInstancesOfUSBControllerType ('PIIX3', 'UHCI')", "E_INVALIDARG", "'UHCI'")
    api.refused(f"call {system} ISystemProperties GetMaxPortCountForStorageBus ('MCA',)", "E_INVALIDARG", "Invalid StorageBus: 'MCA'")
    api.refused(f"call {system} ISystemProperties GetMaxInstancesOfStorageBus ('i440', 'IDE')", "E_INVALIDARG", "Invalid ChipsetType: 'i440'")
    api.refused(f"call {system} ISystemProperties GetStorageBusForStorageControllerType ('x',)", "E_INVALIDARG", "Invalid StorageControllerType: 'x'")
    packs = f"{ROOT}/ExtPackManager"
    api.refused(f"call {packs} IExtPackManager Find ('../x',)", "VBOX_E_OBJECT_NOT_FOUND", "No extension pack by the name '../x' was found")
    check(api.call(packs, "IExtPackManager", "IsExtPackUsable", "('x',)") == "(false,)", "usable")
    progress = object_of(api.call(packs, "IExtPackManager", "Cleanup"))
    check(api.call(progress, "IProgress", "WaitForCompletion", "(-1,)") == "(true, 0, '')", "cleanup")
    api.close()


def logs(h):
    """Pieces of a machine's logs: no larger than is allowed, nothing beyond the end, plain files alone."""
    h.ok("createvm", "--name", "l", "--register")
    folder = os.path.join(h.vms, "l", "Logs")
    os.makedirs(folder, exist_ok=True)
    text = b"".join(b"line %06d\r\n" % k for k in range(60000))  # 840,000 bytes: two pieces
    with open(os.path.join(folder, "VBox.log"), "wb") as f:
        f.write(text)
    with open(os.path.join(folder, "VBox.log.3"), "wb") as f:
        f.write(b"the oldest\n")
    os.symlink("/etc/passwd", os.path.join(folder, "VBox.log.1"))
    os.mkfifo(os.path.join(folder, "VBox.log.2"))
    api = Api(h)
    machine = object_of(api.call(f"{ROOT}/VirtualBox", "IVirtualBox", "FindMachine", "('l',)"))

    def read(index, offset, size):
        return bytes(int(b, 16) for b in re.findall(r"0x([0-9a-f]{2})", api.call(machine, "IMachine", "ReadLog", f"(uint32 {index}, int64 {offset}, int64 {size})")))
    check(read(0, 0, 20) == text[:20] and read(0, 100, 7) == text[100:107], "a piece")
    check(read(0, 0, 1 << 40) == text[:512 << 10], "the largest piece")
    check(read(0, 512 << 10, 1 << 20) == text[512 << 10:], "the rest")
    check(read(0, len(text), 10) == read(0, 1 << 60, 10) == read(0, 0, 0) == b"", "nothing beyond the end")
    for index, found in ((0, "VBox.log"), (1, ""), (2, ""), (3, "VBox.log.3"), (4, "")):
        path = api.call(machine, "IMachine", "QueryLogFilename", f"(uint32 {index},)")
        check(path == f"('{os.path.join(folder, found) if found else ''}',)", path)
    read_log = f"call {machine} IMachine ReadLog (uint32 "
    for index in (1, 2, 4):
        api.refused(f"{read_log}{index}, int64 0, int64 10)", "VBOX_E_IPRT_ERROR", f"Could not open log file '{folder}/VBox.log.{index}' (VERR_")
    api.refused(f"{read_log}0, int64 0, int64 -1)", "E_INVALIDARG", "The size argument (-1) is negative")
    api.refused(f"{read_log}0, int64 -1, int64 1)", "E_INVALIDARG", "offset")
    api.close()
    check(h.ok("showvminfo", "l", "--log", "0") == text.replace(b"\r", b"").decode(), "VBox.log as VBoxManage prints it")
    check(h.ok("showvminfo", "--log=3", "l") == "the oldest\n", "VBox.log.3")


def progress(h):
    """What a progress says of itself, and that clients and its own clock can stop it."""
    source, media = os.path.join(h.top, "s.vdi"), os.path.join(h.top, "Ränder")
    os.mkdir(media)
    h.ok("createmedium", "disk", "--filename", source, "--sizebyte", str(600 << 20), "--variant", "Fixed")
    api, box = Api(h), f"{ROOT}/VirtualBox"
    disk = object_of(api.call(box, "IVirtualBox", "OpenMedium", f"('{source}', 'HardDisk', 'ReadWrite', false)"))

    def clone(name):
        """A clone that takes a while: target, its progress."""
        path = os.path.join(media, name)
        target = object_of(api.call(box, "IVirtualBox", "CreateMedium", f"('VDI', '{path}', 'ReadWrite', 'HardDisk')"))
        return path, target, object_of(api.call(disk, "IMedium", "CloneTo", f"(objectpath '{target}', ['Fixed'], objectpath '/')"))

    def stopped(path, target, work):
        answer = api.call(work, "IProgress", "WaitForCompletion", "(-1,)")
        check(answer.startswith("(true, -") and "VERR_CANCELLED" in answer, answer)
        api.get(work, "IProgress", "Canceled", "true")
        api.get(target, "IMedium", "State", "'NotCreated'")
        check(not os.path.exists(path), f"{path} was left")
        api.refused(f"call {work} IProgress Cancel ()", "VBOX_E_INVALID_OBJECT_STATE", "Operation cannot be canceled")
    path, target, work = clone("canceled.vdi")
    api.get(work, "IProgress", "Cancelable", "true")
    api.get(work, "IProgress", "Canceled", "false")
    check(int(api.line(f"get {work} IProgress TimeRemaining")) >= -1, "TimeRemaining")
    api.get(work, "IProgress", "OperationCount", "1")
    api.get(work, "IProgress", "OperationWeight", "1")
    api.get(work, "IProgress", "Timeout", "0")
    check(re.fullmatch(r"':1\.\d+'", api.line(f"get {work} IProgress Initiator")), "Initiator")
    api.refused(f"call {work} IProgress WaitForOperationCompletion (uint32 1, 0)", "E_INVALIDARG", "1")
    api.call(work, "IProgress", "Cancel")
    stopped(path, target, work)
    path, target, work = clone("timed.vdi")
    api.set(work, "IProgress", "Timeout", "uint32 4000000000")
    api.set(work, "IProgress", "Timeout", "uint32 1")
    stopped(path, target, work)
    path, target, work = clone("whole.vdi")
    api.set(work, "IProgress", "Timeout", "uint32 3600000")
    api.get(work, "IProgress", "Timeout", "3600000")
    api.set(work, "IProgress", "Timeout", "uint32 0")
    check(api.call(work, "IProgress", "WaitForOperationCompletion", "(uint32 0, -1)") == "(true, 0, '')", "the whole clone")
    api.get(work, "IProgress", "TimeRemaining", "0")
    api.refused(f"set {work} IProgress Timeout uint32 5", "VBOX_E_INVALID_OBJECT_STATE", "Operation cannot be canceled")
    work = object_of(api.call(target, "IMedium", "Resize", f"(uint64 {700 << 20},)"))
    api.refused(f"set {work} IProgress Timeout uint32 5", "VBOX_E_INVALID_OBJECT_STATE", "Operation cannot be canceled")
    api.call(work, "IProgress", "WaitForCompletion", "(-1,)")
    api.close()


def media(h):
    """Types a medium may have, its properties, the snapshots that use it."""
    path = os.path.join(h.top, "d.vdi")
    h.ok("createvm", "--name", "m", "--register")
    h.ok("storagectl", "m", "--name", "S", "--add", "sata")
    h.ok("createmedium", "disk", "--filename", path, "--size", "8")
    api, box = Api(h), f"{ROOT}/VirtualBox"
    disk = object_of(api.call(box, "IVirtualBox", "OpenMedium", f"('{path}', 'HardDisk', 'ReadWrite', false)"))
    api.get(disk, "IMedium", "AllowedTypes", "['Normal', 'Immutable', 'Writethrough', 'Shareable', 'Readonly', 'MultiAttach']")
    api.call(disk, "IMedium", "SetProperties", "(['a', 'b', 'c'], ['1', '2', '3'])")
    check(api.call(disk, "IMedium", "GetProperties", "('',)") == "(['a', 'b', 'c'], ['1', '2', '3'])", "all properties")
    check(api.call(disk, "IMedium", "GetProperties", "('c,x,a',)") == "(['a', 'c'], ['1', '3'])", "some properties")
    api.refused(f"call {disk} IMedium SetProperties (['a', ''], ['9', '9'])", "E_INVALIDARG", "cannot be empty")
    api.refused(f"call {disk} IMedium SetProperties (['a'], @as [])", "E_INVALIDARG", "1 names, but 0 values")
    check(api.call(disk, "IMedium", "GetProperties", "('a',)") == "(['a'], ['1'])", "nothing of a refused call")
    api.call(disk, "IMedium", "SetProperties", "(['b'], [''])")
    check(api.call(disk, "IMedium", "GetProperties", "('',)") == "(['a', 'c'], ['1', '3'])", "a property is removed")
    api.refused(f"call {disk} IMedium GetEncryptionSettings ()", "VBOX_E_NOT_SUPPORTED", "not encrypted")
    h.ok("storageattach", "m", "--storagectl", "S", "--port", "0", "--device", "0", "--type", "hdd", "--medium", path)
    api.get(disk, "IMedium", "AllowedTypes", "['Normal', 'Writethrough']")
    machine = h.info("m")["UUID"]
    check(api.call(disk, "IMedium", "GetSnapshotIds", f"('{machine}',)") == f"(['{machine}'],)", "the current state")
    attached = f"{ROOT}/attachment/{machine.replace('-', '_')}_S_3a0_3a0"
    api.get(attached, "IMediumAttachment", "Machine", f"'{machine}'")
    h.ok("snapshot", "m", "take", "one")
    one = re.search(r"UUID: (\S+)\)", h.ok("snapshot", "m", "list"))[1]
    check(api.call(disk, "IMedium", "GetSnapshotIds", f"('{machine}',)") == f"(['{one}'],)", "the snapshot")
    api.get(disk, "IMedium", "AllowedTypes", "['Normal']")
    api.set(SESSION, "ISession", "Name", "'me'")
    api.get(SESSION, "ISession", "Name", "'me'")
    api.call(f"{ROOT}/machine/{machine.replace('-', '_')}", "IMachine", "LockMachine", f"(objectpath '{SESSION}', 'Write')")
    api.refused(f"set {SESSION} ISession Name 'you'", "VBOX_E_INVALID_OBJECT_STATE", "not unlocked")
    api.call(SESSION, "ISession", "UnlockMachine")
    api.refused(f"call {disk} IMedium GetSnapshotIds ('x',)", "E_INVALIDARG", "'x'")
    api.close()


def events(h):
    """What one client does, another that asks for events hears; a listener that is gone does not wait."""
    box = f"{ROOT}/VirtualBox"
    api = Api(h)
    every, some = (api.call(box, "IEventSource", "CreateListener")[1:-2].replace("uint32 ", "") for _ in range(2))
    api.refused(f"call {box} IEventSource GetEvent (uint32 {every}, 0)", "VBOX_E_INVALID_OBJECT_STATE", "never registered")
    api.refused(f"call {box} IEventSource RegisterListener (uint32 {some}, ['Nothing'])", "E_INVALIDARG", "'Nothing'")
    api.call(box, "IEventSource", "RegisterListener", f"(uint32 {every}, @as [])")
    api.call(box, "IEventSource", "RegisterListener", f"(uint32 {some}, ['ExtraDataChanged'])")
    check(api.call(box, "IEventSource", "GetEvent", f"(uint32 {every}, 0)") == "('', [])", "an event of nothing")
    h.ok("createvm", "--name", "e", "--register")
    h.ok("setextradata", "e", "k", "v")
    first = api.call(box, "IEventSource", "GetEvent", f"(uint32 {every}, 2000)")
    check(first.startswith("('MachineRegistered', [<"), first)
    one = api.call(box, "IEventSource", "GetEvent", f"(uint32 {some}, 2000)")
    check(re.fullmatch(r"\('ExtraDataChanged', \[<'[0-9a-f-]{36}'>, <'k'>, <'v'>\]\)", one), one)
    check(api.call(box, "IEventSource", "GetEvent", f"(uint32 {some}, 50)") == "('', [])", "a second event")
    other = Api(h)
    other.refused(f"call {box} IEventSource GetEvent (uint32 {some}, 0)", "VBOX_E_OBJECT_NOT_FOUND", f"Listener {some}")
    other.close()
    api.call(box, "IEventSource", "UnregisterListener", f"(uint32 {some},)")
    for _ in range(15):
        api.call(box, "IEventSource", "CreateListener")
    api.refused(f"call {box} IEventSource CreateListener ()", "VBOX_E_MAXIMUM_REACHED", "16")
    api.close()


def mouse(h):
    """A running machine's mouse, through the service."""
    h.ok("createvm", "--name", "r", "--register")
    api = Api(h)
    machine = object_of(api.call(f"{ROOT}/VirtualBox", "IVirtualBox", "FindMachine", "('r',)"))
    console = machine.replace("/machine/", "/console/")
    api.get(console, "IMouse", "RelativeSupported", "false")
    move = f"call {console} IMouse PutMouseEvent"
    api.refused(f"{move} (1, -2, 0, 0, 1)", "VBOX_E_INVALID_VM_STATE", "not currently running")
    h.ok("startvm", "r", "--type", "headless")
    api.call(console, "IMouse", "PutMouseEvent", "(1, -2, 0, 0, 1)")
    check(api.call(console, "IMouse", "GetCapabilities") == "(true, false)", "GetCapabilities")
    for name, can in (("Relative", "true"), ("Absolute", "false"), ("TouchScreen", "false"), ("TouchPad", "false")):
        api.get(console, "IMouse", f"{name}Supported", can)
    api.get(console, "IMouse", "NeedsHostCursor", "false")
    check("[int32" not in api.call(console, "IKeyboard", "PutScancodes", "([byte 0x1e, 0xe0, 0x48],)"), "two keys are down")
    api.call(console, "IKeyboard", "PutScancode", "(0x2a,)")
    api.refused(f"call {console} IKeyboard PutScancode (256,)", "E_INVALIDARG", "256 is no scan code")
    api.call(console, "IKeyboard", "ReleaseKeys")
    api.refused(f"{move} (40000, 0, 0, 0, 0)", "E_INVALIDARG", "40000")
    api.refused(f"{move} (0, 0, 0, 0, 8)", "E_INVALIDARG", "0x8")
    api.refused(f"call {console} IMouse PutMouseEventAbsolute (1, 1, 0, 0, 0)", "VBOX_E_NOT_SUPPORTED", "position")
    h.ok("controlvm", "r", "poweroff")
    api.close()


# A boot sector that lights Scroll Lock and Caps Lock: ED, its acknowledgment taken, 5.
LIGHTS = bytes.fromhex("fa b0ed e660 e464 a801 74fa e460 b005 e660 f4 ebfd").ljust(510, b"\0") + b"\x55\xaa"


def lamps(h):
    """Lamps of the keyboard that the guest lights: told, and kept as long as it runs."""
    box, raw, disk = f"{ROOT}/VirtualBox", os.path.join(h.top, "l.raw"), os.path.join(h.top, "l.vdi")
    with open(raw, "wb") as f:
        f.write(LIGHTS.ljust(1 << 20, b"\0"))
    h.ok("convertfromraw", raw, disk)
    h.ok("createvm", "--name", "k", "--register")
    h.ok("modifyvm", "k", "--boot1", "disk", "--nic1", "none")
    h.ok("storagectl", "k", "--name", "IDE", "--add", "ide")
    h.ok("storageattach", "k", "--storagectl", "IDE", "--port", "0", "--device", "0", "--type", "hdd", "--medium", disk)
    api = Api(h)
    machine = object_of(api.call(box, "IVirtualBox", "FindMachine", "('k',)"))
    console = machine.replace("/machine/", "/console/")
    listener = api.call(box, "IEventSource", "CreateListener")[1:-2].replace("uint32 ", "")
    api.call(box, "IEventSource", "RegisterListener", f"(uint32 {listener}, ['KeyboardLedsChanged'])")
    api.get(console, "IKeyboard", "KeyboardLEDs", "[]")
    h.ok("startvm", "k", "--type", "headless")
    told, end = "", time.monotonic() + 60
    while not told.endswith("<false>, <true>, <true>])"):
        check(time.monotonic() < end, f"the last event is {told}")
        told = api.call(box, "IEventSource", "GetEvent", f"(uint32 {listener}, 2000)")
    check(re.match(r"\('KeyboardLedsChanged', \[<'[0-9a-f-]{36}'>, <false>", told), told)
    api.get(console, "IKeyboard", "KeyboardLEDs", "['CapsLock', 'ScrollLock']")
    h.ok("controlvm", "k", "poweroff")
    h.wait_gone("VBoxHeadless", 30)
    api.get(console, "IKeyboard", "KeyboardLEDs", "[]")
    api.close()


if __name__ == "__main__":
    main(sound_and_display, nat_engine, lists, attachment, host_and_types, limits, logs, progress, media, events, mouse, lamps)
