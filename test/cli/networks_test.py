#!/usr/bin/env python3
"""networks_test.py - natnetwork, dhcpserver, hostonlynet, hostonlyif and their lists: output, errors, exit codes, what is kept."""
import json
import os
import re
import subprocess

from golden import UUID, com_error, same, syntax_error
from manage import BIN, ROOT, check, main


def nat_networks(h):
    same((h.ok("list", "natnets"), h.ok("natnetwork", "list")), ("", "NAT Networks:\n\n0 networks found\n"))
    h.ok("natnetwork", "add", "--netname", "n1", "--network", "10.1.0.0/16", "--enable", "--dhcp", "off", "--port-forward-4",
         "ssh:tcp:[]:1022:[10.1.0.5]:22", "--loopback-4", "127.0.0.1=2")
    same(h.ok("natnetwork", "list"),
         "NAT Networks:\n\nName:         n1\nEnabled:      Yes\nNetwork:      10.1.0.0/16\nGateway:      10.1.0.1\nDHCP Server:  No\n"
         "IPv6:         No\nIPv6 Prefix:  \nIPv6 Default: No\nPort-forwarding (ipv4)\n        ssh:tcp:[]:1022:[10.1.0.5]:22\n"
         "loopback mappings (ipv4)\n        127.0.0.1=2\n\n1 network found\n")
    short = "Network:      10.1.0.0/16\nGateway:      10.1.0.1\nDHCP Server:  No\nIPv6:         No\nIPv6 Prefix:  \nIPv6 Default: No\n"
    same(h.ok("list", "natnets"), f"Name:         n1\n{short}\n")
    same(h.ok("list", "-l", "natnetworks"), f"Name:         n1\nEnabled:      Yes\n{short}Port-forwarding (ipv4)\n"
         "        ssh:tcp:[]:1022:[10.1.0.5]:22\nloopback mappings (ipv4)\n        127.0.0.1=2\n\n")
    h.ok("natnetwork", "add", "--netname", "b", "--network", "10.7.0.0/16")
    h.ok("natnetwork", "add", "--netname", "a", "--network", "10.8.0.0/16")
    same(re.findall(r"^Name: +(\w+)$", h.ok("list", "natnets", "-s"), re.M), ["a", "b", "n1"])
    same(re.findall(r"^Name: +(\w+)$", h.ok("list", "natnets"), re.M), ["n1", "b", "a"])
    for name in ("a", "b"):
        h.ok("natnetwork", "remove", "--netname", name)
    r = h("natnetwork", "add", "--netname", "n1", "--network", "10.2.0.0/16")
    same((r.rc, r.out, r.err), (1, "", "VBoxManage: error: NATNetwork server already exists\n"))
    com_error(h("natnetwork", "modify", "--netname", "n1", "--port-forward-4", "ssh:tcp:[]:1:[10.1.0.6]:1"),
              "A NAT rule of this name already exists", "E_INVALIDARG (0x80070057)", "NATNetworkWrap", "INATNetwork")
    h.ok("natnetwork", "modify", "--netname", "n1", "--port-forward-4", "delete", "ssh", "--loopback-4", "127.0.0.1=0", "--ipv6-enable", "on")
    n, = json.loads(h.ok("list", "natnets", "--json"))
    same((n["PortForwardRules4"], n["LocalMappings"], n["IPv6Enabled"]), ([], [], True))
    com_error(h("natnetwork", "modify", "--netname", "n1", "--network", "10.1.0.0/33"), "Invalid network '10.1.0.0/33'",
              "E_INVALIDARG (0x80070057)", "NATNetworkWrap", "INATNetwork")
    r = h("natnetwork", "add", "--netname", "n2", "--network", "10.1.0/16")  # nothing half made stays
    check(r.rc == 1 and "n2" not in h.ok("list", "natnets"), repr(r))
    com_error(h("natnetwork", "start", "--netname", "n1"), "The NAT network 'n1' is not available: there is no NAT service",
              "VBOX_E_NOT_SUPPORTED (0x80bb0009)", "NATNetworkWrap", "INATNetwork")
    syntax_error(h("natnetwork", "add", "--network", "10.0.0.0/8"), "You need to specify the --netname option")
    h.stop()
    check("Name:         n1\n" in h.ok("list", "natnets"), "the network is not kept")
    h.ok("natnetwork", "remove", "--netname", "n1")
    r = h("natnetwork", "remove", "--netname", "n1")
    same((r.rc, r.err), (1, "VBoxManage: error: NATNetwork server does not exist\n"))


def dhcp_servers(h):
    first = h.ok("list", "dhcpservers")  # what a new user has
    check(re.search(r"^NetworkName:\s+HostInterfaceNetworking-vboxnet0$", first, re.M), first)
    add = ("dhcpserver", "add", "--netname", "lab", "--ip", "10.9.0.1", "--netmask", "255.255.255.0", "--lowerip", "10.9.0.10", "--upperip",
           "10.9.0.99", "--enable")
    h.ok(*add)
    same(h.ok("list", "dhcpservers")[len(first) + 1:],
         "NetworkName:    lab\nDhcpd IP:       10.9.0.1\nLowerIPAddress: 10.9.0.10\nUpperIPAddress: 10.9.0.99\nNetworkMask:    255.255.255.0\n"
         "Enabled:        Yes\nGlobal Configuration:\n    minLeaseTime:     default\n    defaultLeaseTime: default\n"
         "    maxLeaseTime:     default\n    Forced options:   None\n    Suppressed opts.: None\n        1/legacy: 255.255.255.0\n"
         "Groups:               None\nIndividual Configs:   None\n")
    syntax_error(h(*add), "DHCP server already exists")
    h.ok("dhcpserver", "modify", "--network=lab", "--set-opt", "3", "10.9.0.1", "--force-opt", "6", "--max-lease-time", "60", "--group=g",
         "--incl-mac", "08:00:27:00:00:01", "--set-opt-hex", "42", "0a", "--mac-address=08:00:27:00:00:02", "--fixed-address=10.9.0.7")
    lab = h.ok("list", "dhcpservers")[len(first) + 1:]
    for text in ("    maxLeaseTime:     60 sec\n    Forced options:   6\n", "        3/legacy: 10.9.0.1\n", "Group:                g\n    Conditions:       include"
                 " MAC        08:00:27:00:00:01\n", "       42/hex:    0a\n", "Individual Config:    MAC 08:00:27:00:00:02\n    Fixed Address:"
                 "    10.9.0.7\n"):
        check(text in lab, f"{text!r} is not in\n{lab}")
    h.ok("dhcpserver", "modify", "--network=lab", "--group=g", "--excl-vendor", "x", "--zap-conditions")
    lab = h.ok("list", "dhcpservers")[len(first) + 1:]
    check("Group:                g\n" in lab and "MAC 08:00:27:00:00:01\n" not in lab and "vendor" not in lab.lower(), lab)
    h.ok("dhcpserver", "modify", "--network=lab", "--group=g", "--zap-options")
    lab = h.ok("list", "dhcpservers")[len(first) + 1:]
    check("42/hex" not in lab and "3/legacy: 10.9.0.1" in lab, lab)
    h.ok("dhcpserver", "modify", "--network=lab", "--del-opt", "3", "--unforce-opt", "6", "--group=g", "--remove-config", "--disable")
    lab = h.ok("list", "dhcpservers")[len(first) + 1:]
    check("3/legacy" not in lab and "Groups:               None\n" in lab and "Enabled:        No\n" in lab, lab)
    h.ok("createvm", "--name", "m", "--register")
    h.ok("dhcpserver", "modify", "--netname", "lab", "--options", "--id", "42", "--value", "10.9.0.7", "--vm", "m", "--nic", "2", "--id", "12", "--value=box")
    lab = h.ok("list", "dhcpservers")[len(first) + 1:]
    mac = json.loads(h.ok("showvminfo", "m", "--json"))["NetworkAdapters"][1]["MACAddress"]
    check("       42/legacy: 10.9.0.7\n" in lab and f"Individual Config:    VM NIC: m slot 1, MAC {mac}\n    Fixed Address:    dynamic\n" in lab
          and "       12/legacy: box\n" in lab, lab)
    h.ok("dhcpserver", "modify", "--netname", "lab", "--id", "42", "--remove")
    check("42/legacy" not in h.ok("list", "dhcpservers"), "--id --remove")
    for more, text in ((("--value", "x"), "--value without --id=dhcp-opt-no"), (("--remove",), "--remove without --id=dhcp-opt-no"),
                       (("--id", "1"), "Incomplete option sequence preseeding '--id=1"), (("--id", "1", "--id", "2"), "Incomplete option sequence preseeding '--id=2"),
                       (("--id", "256"), "Invalid value '256' for option '--id': a number up to 255")):
        syntax_error(h("dhcpserver", "modify", "--netname", "lab", *more), text)
    syntax_error(h(*add[:2], "--netname", "other", *add[4:], "--id", "1", "--remove"), "--remove does not apply to the 'add' subcommand")
    com_error(h("dhcpserver", "modify", "--network=lab", "--upper-ip", "10.9.1.1"),
              "The addresses 10.9.0.10 to 10.9.1.1 are no range in the network of 10.9.0.1", "E_INVALIDARG (0x80070057)", "DHCPServerWrap",
              "IDHCPServer")
    syntax_error(h("dhcpserver", "remove"), "You need to specify either --network or --interface to identify the DHCP server")
    h.ok("dhcpserver", "remove", "--ifname", "vboxnet0")
    r = h("dhcpserver", "remove", "--ifname", "vboxnet0")
    same((r.rc, r.err), (1, "VBoxManage: error: DHCP server does not exist\n"))
    com_error(h("dhcpserver", "findlease", "--network=lab", "--mac-address=080027000001"),
              "Could not find a lease of '080027000001' in the network 'lab'", "VBOX_E_OBJECT_NOT_FOUND (0x80bb0001)", "DHCPServerWrap",
              "IDHCPServer")


def host_only_networks(h):
    add = ("hostonlynet", "add", "--name", "h", "--netmask", "255.255.255.0", "--lower-ip", "192.168.56.2", "--upper-ip", "192.168.56.9")
    h.ok(*add)
    check(re.fullmatch(f"Name:            h\nGUID:            {UUID}\n\nState:           Enabled\nNetworkMask:     255.255.255.0\nLowerIP:         "
                       "192.168.56.2\nUpperIP:         192.168.56.9\nVBoxNetworkName: hostonly-h\n\n", h.ok("list", "hostonlynets")),
          h.ok("list", "hostonlynets"))
    com_error(h(*add), "A host-only network named 'h' already exists", "E_INVALIDARG (0x80070057)", "VirtualBoxWrap", "IVirtualBox")
    n, = json.loads(h.ok("list", "hostonlynets", "--json"))
    h.ok("hostonlynet", "modify", "--id", n["Id"], "--disable")
    check("State:           Disabled\n" in h.ok("list", "hostonlynets"), "still enabled")
    h.ok("hostonlynet", "remove", "--name", "h")
    same(h.ok("list", "hostonlynets"), "")
    syntax_error(h("hostonlynet", "add", "--name", "h"), "The --netmask parameter must be specified")


def host_only_interfaces(h):
    com_error(h("hostonlyif", "remove", "vboxnet99"), "The host-only interface 'vboxnet99' does not exist", "VBOX_E_OBJECT_NOT_FOUND (0x80bb0001)",
              "HostWrap", "IHost")
    syntax_error(h("hostonlyif"), "No sub-command specified")
    syntax_error(h("hostonlyif", "create", "two"), "Too many parameters")
    syntax_error(h("hostonlyif", "create", "--dhcp"), "Unknown option: --dhcp")
    script = "; ".join(f"{BIN}/VBoxManage {args}" for args in (
        "hostonlyif create", "hostonlyif ipconfig vboxnet0 --ip 192.168.56.1", "list hostonlyifs",
        "hostonlyif ipconfig vboxnet0 --ip 10.0.0.1; echo rc=$?", "hostonlyif remove vboxnet0", "list hostonlyifs", "hostonlyif create --machinereadable"))
    h.stop()  # the service makes interfaces: the next one starts in a network of its own
    run = subprocess.run(["unshare", "-rn", "sh", "-c", script], env=h.env, cwd=h.top, capture_output=True, text=True, timeout=60, check=False)
    check(run.stdout.startswith("Interface 'vboxnet0' was successfully created\nName:            vboxnet0\n"), f"{run.stdout}{run.stderr}")
    check("IPAddress:       192.168.56.1\nNetworkMask:     255.255.255.0\n" in run.stdout and run.stdout.endswith("\n\nrc=1\nvboxnet0"), run.stdout)
    check("The IP address configured for the host-only network is not within the allowed ranges: 10.0.0.1" in run.stderr, run.stderr)


def host_lists(h):
    check(h.ok("list", "hostcpuids").startswith("Host CPUIDs:\n\nLeaf no.  EAX      EBX      ECX      EDX\n00000000  "), "hostcpuids")
    lines = h.ok("list", "systemproperties").splitlines()
    same([k.split(":")[0] for k in lines[12:14] + lines[42:51]],
         ["Maximum PIIX3 Network Adapter count", "Maximum ICH9 Network Adapter count", "Default machine folder", "Raw-mode Supported", "Exclusive HW virtualization use",
          "Default hard disk format", "VRDE auth library", "Webservice auth. library", "Remote desktop ExtPack", "VM encryption ExtPack", "Log history count"])
    for line in ("Maximum ICH9 Network Adapter count:   36", "Maximum virtio-scsi Port count:         256", "Maximum PIIX3 Floppy Controllers:1",
                 "Maximum Devices per Floppy Port: 2", "Exclusive HW virtualization use: on"):
        check(line in lines, line)
    check(h.ok("list", "webcams").startswith("Video Input Devices: "), "webcams")
    check(h.ok("list", "usbhost").startswith("Host USB Devices:\n\n"), "usbhost")
    h.ok("createvm", "--name", "m", "--register")
    h.ok("modifyvm", "m", "--nic1", "intnet", "--intnet1", "blue")
    same(h.ok("list", "intnets"), "Name:        blue\n")
    for keyword in ("hostdvds", "hostfloppies", "hostdrives", "hostonlyifs", "bridgedifs", "cloudproviders", "cloudprofiles", "cpu-profiles",
                    "intnets", "extpacks", "hostcpuids", "usbhost", "usbfilters", "webcams", "natnets", "dhcpservers", "hostonlynets", "ostypes",
                    "systemproperties", "hostinfo", "hddbackends", "hdds", "dvds", "floppies", "vms", "runningvms", "groups", "screenshotformats"):
        json.loads(h.ok("list", keyword, "--json"))
    check(os.path.exists(os.path.join(h.config, "VirtualBox.xml")), "settings")


def cpu_profiles(h):
    """What is listed is what a machine can be given: the names of vmm/cpum, each of which starts."""
    lines = h.ok("list", "cpu-profiles").splitlines()
    found = [re.fullmatch(r"#(\d): (.*) \[(x86|AMD64)\]", line) for line in lines]
    check(lines and all(found), repr(lines))
    with open(os.path.join(ROOT, "src", "vmm", "cpum", "profiles.def"), encoding="utf-8") as f:
        same([m[2] for m in found], re.findall(r'^P\("([^"]+)"', f.read(), re.M))
    same(h.ok("list", "cpu-profiles", "--long", "--sorted").splitlines()[:4],
         ["CPU Profile #00:", "  Architecture: AMD64", "  Name:         AMD EPYC", "  Full Name:    AMD EPYC"])
    h.ok("createvm", "--name", "m", "--register")
    h.ok("modifyvm", "m", "--memory", "32", "--vram", "8")
    for m in found:
        h.ok("modifyvm", "m", "--cpu-profile", m[2])
        h.ok("startvm", "m", "--type", "headless")
        same(h.info("m")["cpu-profile"], m[2])
        h.ok("controlvm", "m", "poweroff")
    h.ok("modifyvm", "m", "--cpu-profile", "Zilog Z80")
    r = h("startvm", "m", "--type", "headless")
    check(r.rc == 1 and "Zilog Z80" in r.err, repr(r))


main(nat_networks, dhcp_servers, host_only_networks, host_only_interfaces, host_lists, cpu_profiles)
