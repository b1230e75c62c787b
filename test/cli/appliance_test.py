#!/usr/bin/env python3
"""appliance_test.py - import and export: texts, files, digests, licences, hostile archives; qemu-img reads what is exported."""
import glob
import io
import os
import re
import subprocess
import tarfile

from golden import UUID, com_error, same, syntax_error
from manage import check, main

OVF = """<?xml version="1.0"?>
<Envelope ovf:version="1.0" xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
 <References><File ovf:href="box-disk1.vmdk" ovf:id="file1"/></References>
 <DiskSection><Info/><Disk ovf:capacity="{capacity}" ovf:diskId="vmdisk1" ovf:fileRef="file1"
  ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/></DiskSection>
 <VirtualSystem ovf:id="box"><Info/>{eula}
  <OperatingSystemSection ovf:id="96"><Description>Debian 64-bit</Description></OperatingSystemSection>
  <VirtualHardwareSection><Info/>
   <Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
   <Item><rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType>
    <rasd:VirtualQuantity>512</rasd:VirtualQuantity></Item>
   <Item><rasd:Address>0</rasd:Address><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>PIIX4</rasd:ResourceSubType>
    <rasd:ResourceType>5</rasd:ResourceType></Item>
   <Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:HostResource>/disk/vmdisk1</rasd:HostResource><rasd:InstanceID>4</rasd:InstanceID>
    <rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
   <Item><rasd:Connection>NAT</rasd:Connection><rasd:InstanceID>5</rasd:InstanceID><rasd:ResourceSubType>E1000</rasd:ResourceSubType>
    <rasd:ResourceType>10</rasd:ResourceType></Item>
  </VirtualHardwareSection>
 </VirtualSystem>
</Envelope>
"""
MIB = 1 << 20


def run(*args):
    return subprocess.run(args, check=True, capture_output=True, text=True).stdout


def box(h, eula="", size=16 * MIB):
    """A box as other programs make it: descriptor and a stream-optimised disk by qemu-img. The folder, and what is on the disk."""
    folder = os.path.join(h.top, "box")
    os.makedirs(folder, exist_ok=True)
    raw = os.path.join(h.top, "box.raw")
    content = os.urandom(MIB) + bytes(size - 2 * MIB) + os.urandom(MIB)
    with open(raw, "wb") as f:
        f.write(content)
    run("qemu-img", "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, os.path.join(folder, "box-disk1.vmdk"))
    with open(os.path.join(folder, "box.ovf"), "w", encoding="utf-8") as f:
        f.write(OVF.format(capacity=size, eula=eula))
    return folder, content


def dry_run(h):
    folder, _ = box(h)
    r = h("import", "-n", f"{folder}/box.ovf")
    same((r.rc, r.err), (0, f"0%...10%...20%...30%...40%...50%...60%...70%...80%...90%...100%\nInterpreting {folder}/box.ovf...\nOK.\n"))
    vms = h.vms
    same(r.out, f"""Disks:
  vmdisk1	16777216	-1	http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized	box-disk1.vmdk	-1	-1	

Virtual system 0:
 0: Suggested OS type: "Debian_64"
    (change with "--vsys 0 --ostype <type>"; use "list ostypes" to list all possible values)
 1: Suggested VM name "box"
    (change with "--vsys 0 --vmname <name>")
 2: Suggested VM group "/"
    (change with "--vsys 0 --group <group>")
 3: Suggested VM settings file name "{vms}/box/box.vbox"
    (change with "--vsys 0 --settingsfile <filename>")
 4: Suggested VM base folder "{vms}"
    (change with "--vsys 0 --basefolder <path>")
 5: Number of CPUs: 1
    (change with "--vsys 0 --cpus <n>")
 6: Guest memory: 512 MB
    (change with "--vsys 0 --memory <MB>")
 7: Network adapter: orig NAT, config 5, extra slot=0;type=NAT
 8: IDE controller, type PIIX4
    (disable with "--vsys 0 --unit 8 --ignore")
 9: Hard disk image: source image=box-disk1.vmdk, target path={vms}/box/box-disk1.vmdk, controller=8;port=0
    (change target path with "--vsys 0 --unit 9 --disk path";
    change controller with "--vsys 0 --unit 9 --controller <index>";
    change controller port with "--vsys 0 --unit 9 --port <n>";
    disable with "--vsys 0 --unit 9 --ignore")
""")
    check(not os.path.exists(f"{vms}/box") and h.ok("list", "vms") == "", "a dry run left something")
    check('VM name specified with --vmname: "x"\n' in h.ok("import", "-n", f"{folder}/box.ovf", "--vsys", "0", "--vmname", "x"), "--vmname")


def import_as_vagrant_does(h):
    folder, content = box(h)
    name = "box_1700000000000_12345"
    r = h("import", f"{folder}/box.ovf", "--vsys", "0", "--vmname", name, "--vsys", "0", "--unit", "9", "--disk", f"{h.vms}/{name}/box-disk1.vmdk")
    check(r.rc == 0 and r.out.endswith("Successfully imported the appliance.\n") and re.search(r"\d{2}%", r.err), repr(r))
    i = h.info(name)
    same((i["memory"], i["cpus"], i["nic1"], i["nictype1"], i["IDE Controller-0-0"]), ("512", "1", "nat", "82545EM", f"{h.vms}/{name}/box-disk1.vmdk"))
    raw = os.path.join(h.top, "got.raw")
    run("qemu-img", "convert", "-O", "raw", i["IDE Controller-0-0"], raw)
    with open(raw, "rb") as f:
        check(f.read() == content, "the disk is another one")
    r = h("import", f"{folder}/box.ovf", "--vsys", "0", "--vmname", name)
    r.err = "".join(r.err.splitlines(True)[3:])  # what came before
    com_error(r, f"Machine settings file '{h.vms}/{name}/{name}.vbox' already exists",
              "VBOX_E_FILE_ERROR (0x80bb0004)", "ApplianceWrap", "IAppliance")
    h.ok("unregistervm", "--delete", name)
    check(not os.path.exists(f"{h.vms}/{name}"), "the folder is still there")


def licence(h):
    folder, _ = box(h, "<EulaSection><Info/><License>Be nice.</License></EulaSection>")
    r = h("import", f"{folder}/box.ovf")
    check(r.rc == 1 and "End-user license agreement\n    (display with" in r.out
          and r.err.endswith("VBoxManage: error: Cannot import until the license agreement listed above is accepted.\n"), repr(r))
    check("\n\nBe nice.\n\n" in h("import", f"{folder}/box.ovf", "--vsys", "0", "--eula", "show").out, "--eula show")
    h.ok("import", f"{folder}/box.ovf", "--vsys", "0", "--eula", "accept", "--options", "importtovdi")
    check(h.info("box")["IDE Controller-0-0"].endswith("/box-disk1.vdi"), "importtovdi")


def export_and_back(h):
    folder, content = box(h)
    h.ok("import", f"{folder}/box.ovf")
    h.ok("modifyvm", "box", "--description", "a box", "--vram", "33", "--nic2", "intnet", "--intnet2", "lab")
    for number, (version, ending) in enumerate((("--ovf10", "ovf"), ("--ovf20", "ova"), ("--ovf09", "ovf"), ("--ovf10", "ova"))):
        out = os.path.join(h.top, f"out{number}")
        os.mkdir(out)
        r = h("export", "box", "-o", f"{out}/a.{ending}", version, "--manifest", "--vsys", "0", "--product", "P & Q")
        check(r.rc == 0 and r.out == "Successfully exported 1 machine(s).\n", repr(r))
        same(sorted(os.listdir(out)), ["a.ova"] if ending == "ova" else ["a-disk001.vmdk", "a.mf", "a.ovf"])
        if ending == "ova":
            with tarfile.open(f"{out}/a.ova") as tar:
                same(tar.getnames(), ["a.ovf", "a-disk001.vmdk", "a.mf"])
                tar.extractall(f"{out}/x")
        where = f"{out}/x" if ending == "ova" else out
        raw = os.path.join(out, "got.raw")
        check("create type: streamOptimized" in run("qemu-img", "info", f"{where}/a-disk001.vmdk"), "qemu-img info")
        run("qemu-img", "convert", "-O", "raw", f"{where}/a-disk001.vmdk", raw)
        with open(raw, "rb") as f:
            check(f.read() == content, "the exported disk is another one")
        digest = "sha256sum" if version == "--ovf20" else "sha1sum"
        with open(f"{where}/a.mf", encoding="utf-8") as f:
            for line in f:
                name, wanted = re.fullmatch(r"SHA\d+\((.+)\)= ([0-9a-f]+)\n", line).groups()
                same(run(digest, f"{where}/{name}").split()[0], wanted)
        r = h("import", f"{out}/a.{ending}", "--vsys", "0", "--vmname", f"back{number}", "--options", "keepallmacs")
        check(r.rc == 0 and "Product (ignored): P & Q\n" in r.out, repr(r))
        i, before = h.info(f"back{number}"), h.info("box")
        same([i[k] for k in ("description", "vram", "intnet2", "macaddress1")], [before[k] for k in ("description", "vram", "intnet2", "macaddress1")])
        check(i["UUID"] != before["UUID"] and i["IDE Controller-ImageUUID-0-0"] != before["IDE Controller-ImageUUID-0-0"], "UUIDs")
        same(glob.glob(f"{h.vms}/*/.import*") + glob.glob(f"{out}/.export*"), [])
    r = h("export", "box", "-o", os.path.join(h.top, "out0", "a.ovf"))
    check(r.rc == 1 and "VERR_ALREADY_EXISTS" in r.err and "VBOX_E_FILE_ERROR" in r.err, repr(r))
    syntax_error(h("export", "box"), "Missing --output argument with export command.")
    com_error(h("export", "box", "-o", "a.zip"), f"Appliance file must have .ovf or .ova extension: '{h.top}/a.zip'",
              "VBOX_E_FILE_ERROR (0x80bb0004)", "ApplianceWrap", "IAppliance")


def refused(h):
    folder, _ = box(h)
    same(h.ok("list", "vms"), "")
    before = sorted(os.listdir(h.top))
    with open(f"{folder}/box.mf", "w", encoding="utf-8") as f:
        f.write("SHA1(box-disk1.vmdk)= 0000000000000000000000000000000000000000\n")
    r = h("import", f"{folder}/box.ovf")
    check(r.rc == 1 and "VERR_MANIFEST_DIGEST_MISMATCH" in r.err and not os.path.exists(f"{h.vms}/box"), repr(r))
    os.unlink(f"{folder}/box.mf")
    with open(f"{folder}/box.ovf", encoding="utf-8") as f:
        text = f.read()
    for number, (a, b) in enumerate((("box-disk1.vmdk", "../../etc/passwd"), ("box-disk1.vmdk", "none.vmdk"), ("16777216", "4096"), ("<?xml", "<!DOCTYPE x><?xml"))):
        with open(f"{folder}/bad.ovf", "w", encoding="utf-8") as f:
            f.write(text.replace(a, b))
        r = h("import", f"{folder}/bad.ovf")
        check(r.rc == 1 and "VBoxManage: error: " in r.err, f"{number}: {r!r}")
        check(h.ok("list", "vms") == "" and not os.path.exists(f"{h.vms}/box"), f"{number}: something is left")
    with tarfile.open(f"{folder}/bad.ova", "w") as tar:
        tar.add(f"{folder}/box.ovf", "box.ovf")
        info = tarfile.TarInfo("../../evil")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"evil"))
    r = h("import", f"{folder}/bad.ova")
    check(r.rc == 1 and "it holds something else than files with plain names" in r.err and not os.path.exists(f"{h.top}/evil"), repr(r))
    for words in (("import", "OCI://", "--cloud", "--vmname", "v", "--cloudprofile", "p", "--cloudinstanceid", "i", "--cloudbucket", "b"),
                  ("export", "m", "--output", "OCI://", "--cloud", "0", "--cloudprofile", "p", "--cloudshape", "s", "--clouddisksize", "50", "--cloudlaunchinstance", "true"),
                  ("export", "m", "--output", f"{h.top}/x.tar", "--opc10")):
        r = h(*words)
        check(r.rc == 1 and r.out == "" and re.fullmatch("VBoxManage: error: Clouds are not available; [^\n]+\n", r.err), repr(r))
    same(sorted(set(os.listdir(h.top)) - set(before) - {"VirtualBox VMs"}), [])
    check(re.search(UUID, h.ok("list", "hdds")) is None, "a disk is still known")


main(dry_run, import_as_vagrant_does, licence, export_and_back, refused)
