#!/usr/bin/env python3
"""snapshot_test.py - snapshots and differencing images through the command line: what is printed, and that every disk shows what it should.

A model of the tree of snapshots keeps the checksum each one must show. The chains are read from the settings file and opened by
disk_tool, so what is compared is what a machine would see.
"""
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

from manage import BIN, check, main

TOOL = os.path.join(BIN, "..", "test", "cli", "disk_tool")
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
NS = "{http://www.virtualbox.org/}"
DONE = "0%...10%...20%...30%...40%...50%...60%...70%...80%...90%...100%\n"


def tool(*args):
    run = subprocess.run([TOOL, *args], capture_output=True, text=True, timeout=60, check=False)
    check(run.returncode == 0, f"disk_tool {args}: {run.stdout}{run.stderr}")
    return run.stdout.strip()


class Machine:
    """A machine with one disk, and its settings file."""

    def __init__(self, h, name="m", fmt="VDI"):
        self.h, self.name, self.folder = h, name, os.path.join(h.vms, name)
        self.file = os.path.join(self.folder, name + ".vbox")
        self.disk = os.path.join(self.folder, "base." + fmt.lower())
        h.ok("createvm", "--name", name, "--register")
        h.ok("storagectl", name, "--name", "IDE", "--add", "ide")
        h.ok("createmedium", "--filename", self.disk, "--size", "16", "--format", fmt)
        self.attach(self.disk)

    @classmethod
    def at(cls, h, name):
        """One that is there already."""
        m = cls.__new__(cls)
        m.h, m.name, m.folder = h, name, os.path.join(h.vms, name)
        m.file = os.path.join(m.folder, name + ".vbox")
        return m

    def attach(self, medium, port="0", more=()):
        self.h.ok("storageattach", self.name, "--storagectl", "IDE", "--port", port, "--device", "0", "--type", "hdd", "--medium", medium,
                  *more)

    def root(self):
        return ElementTree.parse(self.file).getroot().find(NS + "Machine")

    def chains(self):
        """{uuid: words for disk_tool}, every disk of the registry."""
        found = {}
        disks = self.root().find(f"{NS}MediaRegistry/{NS}HardDisks")
        todo = [(disks, [])] if disks is not None else []
        while todo:
            element, above = todo.pop()
            for disk in element.findall(NS + "HardDisk"):
                path = os.path.join(self.folder, disk.get("location"))
                found[disk.get("uuid")] = above + [f"{disk.get('format')}:{path}"]
                todo.append((disk, found[disk.get("uuid")]))
        return found

    def images(self, element=None):
        """What the machine, or a snapshot's element, has attached."""
        where = element if element is not None else self.root()
        hardware = where.find(NS + "Hardware")
        return [i.get("uuid") for c in list(hardware.iter(NS + "StorageController")) + list(
            c for b in where.findall(NS + "StorageControllers") for c in b) for i in c.iter(NS + "Image")]

    def sums(self, names=None):
        """{snapshot's name, None: now} -> checksum of its disk; of @names alone, if they are given."""
        chains, root, found = self.chains(), self.root(), {}
        for name, element in [(None, root), *((s.get("name"), s) for s in root.iter(NS + "Snapshot"))]:
            if names is None or name in names:
                found[name] = tool("sum", *chains[self.images(element)[0]])
        return found

    def write(self, seed):
        tool("write", str(seed), "40", "4096", *self.chains()[self.images()[0]])
        return tool("sum", *self.chains()[self.images()[0]])

    def nothing_left_over(self):
        """Files in the snapshot folder are exactly those the settings name; nothing is pending."""
        root = self.root()
        check(root.find(NS + "PendingOperations") is None, "something is still pending")
        named = {os.path.basename(w.split(":", 1)[1]) for words in self.chains().values() for w in words}
        named |= {os.path.basename(e.get("stateFile")) for e in [root, *root.iter(NS + "Snapshot")] if e.get("stateFile")}
        there = os.path.join(self.folder, "Snapshots")
        extra = set(os.listdir(there) if os.path.exists(there) else ()) - named
        check(not extra, f"left over: {extra}")

    def take(self, name, *more):
        return re.fullmatch(f"Snapshot taken\\. UUID: ({UUID})\n", self.h.ok("snapshot", self.name, "take", name, *more)).group(1)


def words(h):
    """Output, errors and exit codes."""
    m = Machine(h)
    r = h("snapshot", "m", "list")
    check((r.rc, r.out, r.err) == (1, "This machine does not have any snapshots\n", ""), repr(r))
    r = h("snapshot", "m", "take", "one", "--description", "first of all")
    uuid = re.fullmatch(f"Snapshot taken\\. UUID: ({UUID})\n", r.out).group(1)
    check((r.rc, r.err) == (0, DONE), repr(r))
    two = m.take("two words")
    check(h.ok("snapshot", "m", "list") == f"   Name: one (UUID: {uuid})\n   Description: first of all\n"
          f"      Name: two words (UUID: {two}) *\n", h.ok("snapshot", "m", "list"))
    check(h.ok("snapshot", "m", "list", "--machinereadable") ==
          f'SnapshotName="one"\nSnapshotUUID="{uuid}"\nSnapshotDescription="first of all"\nSnapshotName-1="two words"\n'
          f'SnapshotUUID-1="{two}"\nCurrentSnapshotName="two words"\nCurrentSnapshotUUID="{two}"\n'
          'CurrentSnapshotNode="SnapshotName-1"\n', "machinereadable list")
    h.ok("snapshot", "m", "edit", "--current", "--name", "two", "--description", "d")
    check("      Name: two (UUID: " in h.ok("snapshot", "m", "list"), "edit --current")
    h.ok("snapshot", "m", "edit", uuid, "-newname", "first")
    check(h.ok("snapshot", "m", "showvminfo", "first", "--machinereadable").startswith('name="m"\n'), "showvminfo")
    check(m.chains().keys() and m.images() != m.images(next(m.root().iter(NS + "Snapshot"))), "the snapshot has the machine's image")
    r = h("snapshot", "m", "delete", "none")
    check(r.rc == 1 and "Could not find a snapshot named 'none'" in r.err and "VBOX_E_OBJECT_NOT_FOUND (0x80bb0001)" in r.err, repr(r))
    h.ok("snapshot", "m", "restore", "first")
    m.take("other")
    r = h("snapshot", "m", "delete", "first")
    check(r.rc == 1 and "Snapshot 'first' of the machine 'm' cannot be deleted, because it has 2 child snapshots, which is more than the one "
          "snapshot allowed for deletion" in r.err, repr(r))
    r = h("snapshot", "m", "restorecurrent")
    check(re.fullmatch(f"Restoring snapshot 'other' \\({UUID}\\)\n", r.out) and r.err == DONE, repr(r))
    r = h("snapshot", "m", "delete", "other")
    check(re.fullmatch(f"Deleting snapshot 'other' \\({UUID}\\)\n", r.out) and r.err == DONE, repr(r))
    for args, text in ((("m",), "Not enough parameters"), (("m", "take"), "Missing snapshot name"), (("m", "frob"), "Invalid parameter 'frob'"),
                       ((), "VM name or UUID required")):
        r = h("snapshot", *args)
        check(r.rc == 2 and r.err.startswith(f"VBoxManage: error: {text}\n"), repr(r))
    for n, wanted in enumerate(("u", "u 1", "u 2")):
        h.ok("snapshot", "m", "take", "u", "--uniquename", "Number,Space")
        check(f"Name: {wanted} (" in h.ok("snapshot", "m", "list"), f"unique name {n}")
    m.nothing_left_over()
    r = h("closemedium", m.disk)
    check(r.rc == 1 and "cannot be closed because it is still attached to 1 virtual machines" in r.err, repr(r))
    h.ok("unregistervm", "m", "--delete")
    check(not os.path.exists(m.folder) and h.ok("list", "hdds") == "", f"left: {os.listdir(h.vms)}")


def play(h, seed, steps, fmt):
    """A random history against a model: {name: (parent, checksum)}."""
    m, rand = Machine(h, f"m-{fmt.lower()}", fmt), random.Random(seed)
    tree, current, now = {}, None, m.write(seed)
    for step in range(steps):
        children = [n for n, (p, _) in tree.items() if p == current]
        able = [n for n in tree if sum(p == n for p, _ in tree.values()) + (n == current) <= 1]
        choice = rand.choice(["write", "take", "take", "restore", "delete", "delete"])
        if choice == "write" or (choice in ("restore", "delete") and not tree):
            now = m.write(seed * 1000 + step)
        elif choice == "take":
            name = f"s{step}"
            m.take(name)
            tree[name], current = (current, now), name
            if rand.random() < 0.7:
                now = m.write(seed * 1000 + step)
        elif choice == "restore":
            current = rand.choice(sorted(tree))
            h.ok("snapshot", m.name, "restore", current)
            now = tree[current][1]
        elif able:
            name = rand.choice(sorted(able))
            h.ok("snapshot", m.name, "delete", name)
            parent = tree.pop(name)[0]
            tree = {n: (parent if p == name else p, s) for n, (p, s) in tree.items()}
            current = parent if current == name else current
        check(children is not None, "")
        got, wanted = m.sums(), {n: s for n, (_, s) in tree.items()} | {None: now}
        check(got == wanted, f"seed {seed}, step {step} ({choice}): shows {got}, not {wanted}")
        m.nothing_left_over()
    h.ok("unregistervm", m.name, "--delete")


def history(h):
    for seed, fmt in enumerate(("VDI", "VMDK", "VHD"), 1):
        play(h, seed, 25, fmt)


def types(h):
    """Immutable and multi-attach disks get images of their own; write-through ones are no part of snapshots."""
    m = Machine(h)
    m.attach("none")
    before = tool("sum", f"VDI:{m.disk}")
    for kind in ("immutable", "multiattach"):
        h.ok("modifymedium", m.disk, "--type", kind)
        m.attach(m.disk)
        image = m.images()[0]
        check(len(m.chains()[image]) == 2, "no image of its own")
        info = h.ok("showmediuminfo", image[1:-1])
        check(f"Auto-Reset:     {'on' if kind == 'immutable' else 'off'}\n" in info, info)
        m.write(1)
        check(tool("sum", f"VDI:{m.disk}") == before, f"the {kind} base was written")
        m.attach("none")
        h.ok("closemedium", image[1:-1], "--delete")
    h.ok("modifymedium", m.disk, "--type", "writethrough")
    m.attach(m.disk)
    m.take("s")
    check(m.images() == m.images(next(m.root().iter(NS + "Snapshot"))), "a write-through disk got a differencing image")


def interrupted(h):
    """The service dies at moments all through taking, restoring and deleting; the next one ends what was begun."""
    m, rand = Machine(h), random.Random(5)
    sums = {None: m.write(1)}
    for n in range(3):
        m.take(f"s{n}")
        sums[f"s{n}"] = sums[None]
        sums[None] = m.write(10 + n)
    for step in range(24):
        verb = ("take", "delete", "restore")[step % 3]
        name = f"x{step}" if verb == "take" else rand.choice(sorted(n for n in sums if n))
        process = h.popen("snapshot", "m", verb, name)
        time.sleep(rand.random() * 0.12)
        for pid in h.pids("VBoxSVC"):
            os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=30)
        end = time.monotonic() + 20
        while h.info("m")["VMState"] not in ("poweroff", "aborted") or m.root().find(NS + "PendingOperations") is not None:
            check(time.monotonic() < end, f"{verb} is never ended")
            time.sleep(0.1)
        got = m.sums()
        now = {None: sums[None], **{n: sums.get(n, sums[None]) for n in got if n}}
        if verb == "restore" and got[None] == sums[name]:
            now[None] = sums[name]
        missing = set(sums) - set(got)
        check(got == now and missing <= {name}, f"step {step} ({verb} {name}): shows {got}, not {now}; missing {missing}")
        m.nothing_left_over()
        sums = now
        if len([n for n in sums if n]) < 2:
            m.take(f"more{step}")
            sums[f"more{step}"] = sums[None]
            sums[None] = m.write(100 + step)


class Costs:
    """Seconds of the processor, of the service (which may end when it is idle, and begin again) and of what was run here."""

    def __init__(self, h):
        self.h, self.services = h, {}
        self.total, self.started = self.look(), time.monotonic()

    def look(self):
        for pid in self.h.pids("VBoxSVC"):
            with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                self.services[pid] = sum(map(int, f.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")
        return sum(self.services.values()) + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])

    def tell(self, what):
        total, now = self.look(), time.monotonic()
        print(f"# {what}: {total - self.total:.2f} s of the processor, {now - self.started:.1f} s in all", flush=True)
        self.total, self.started = total, now


def deep(h):
    """Many snapshots, one on the other: RB_DEPTH of them, 1,000 are allowed. What they cost is told."""
    depth, m, sums = int(os.environ.get("RB_DEPTH", "40")), Machine(h), {}
    middle, last = f"s{depth // 2}", f"s{depth - 1}"

    costs, now = Costs(h), m.sums([None])[None]
    tell = costs.tell
    for n in range(depth):
        if n in (1, 4, 8, depth // 2, depth // 2 + 1, depth - 1):
            now = m.write(n)
        m.take(f"s{n}")
        sums[f"s{n}"] = now
        if n % 50 == 0:
            costs.look()
    sums[None] = m.write(depth)
    tell(f"{depth} taken")
    looked = [None, "s0", "s5", "s6", "s8", f"s{depth // 2 - 1}", f"s{depth // 2 + 1}", last]

    def same(what):
        got = m.sums(looked)
        check(got == {name: sums[name] for name in looked}, f"{what}: shows {got}")
        m.nothing_left_over()

    same("taken")
    images = len(m.chains()[m.images()[0]])
    check(images == depth + 1, f"{images} images")
    tell("looked at")
    text = h.ok("snapshot", "m", "list")
    check(text.count("\n") == depth and f"{' ' * (3 * depth)}Name: {last} (UUID: " in text, "the list")
    tell("list")
    check(f'SnapshotName{"-1" * (depth - 1)}="{last}"\n' in h.ok("showvminfo", "m", "--machinereadable"), "showvminfo")
    tell("showvminfo")
    h.ok("snapshot", "m", "delete", "s7")
    tell("s7 deleted")
    h.ok("snapshot", "m", "delete", middle)
    tell(f"{middle} deleted")
    same("two deleted")
    images = len(m.chains()[m.images()[0]])
    check(images == depth - 1, f"{images} images after deleting two")
    tell("looked at")
    before = h.ok("snapshot", "m", "list")
    check(before.count("\n") == depth - 2 and f"Name: {middle} (" not in before, "the list without two")
    costs.look()
    for pid in h.pids("VBoxSVC"):
        os.kill(pid, signal.SIGKILL)
    h.wait_gone("VBoxSVC", 10)
    check(h.ok("snapshot", "m", "list") == before, "another tree after the service's end")
    tell("the service ended and began")
    h.ok("snapshot", "m", "restore", "s0")
    sums[None] = sums["s0"]
    tell("s0 restored")
    m.take("beside")
    sums[None] = m.write(depth + 1)
    h.ok("snapshot", "m", "restore", last)
    sums[None] = sums[last]
    tell(f"another branch, {last} restored")
    same("restored")
    h.ok("snapshot", "m", "delete", "beside")
    h.ok("snapshot", "m", "delete", last)
    looked.remove(last)
    same("its last one deleted")
    tell("two more deleted")
    h.ok("unregistervm", "m", "--delete")
    check(not os.path.exists(m.folder), "the machine's folder is still there")
    tell("unregistered")


def no_room(h):
    """Refused before the first byte."""
    small = os.path.join(h.top, "small")
    os.mkdir(small)
    mounted = subprocess.run(["unshare", "--mount", "--map-root-user", "true"], check=False).returncode == 0
    check(mounted or os.geteuid() == 0, "a mount needs a namespace")
    run = subprocess.run(["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c",
                          f"mount -t tmpfs -o size=1m none {small} && {BIN}/VBoxManage createvm --name f --register >/dev/null && "
                          f"{BIN}/VBoxManage storagectl f --name IDE --add ide && "
                          f"{BIN}/VBoxManage createmedium --filename {h.top}/f.vdi --size 16 >/dev/null 2>&1 && "
                          f"{BIN}/VBoxManage storageattach f --storagectl IDE --port 0 --device 0 --type hdd --medium {h.top}/f.vdi && "
                          f"{BIN}/VBoxManage modifyvm f --snapshotfolder {small} && {BIN}/VBoxManage snapshot f take s; "
                          f"echo rc=$?; ls -A {small}; sleep 7"], env=h.env, capture_output=True, text=True, timeout=60, check=False)
    check("There is not enough room in" in run.stderr and "VERR_DISK_FULL" in run.stderr and run.stdout == "rc=1\n", run.stdout + run.stderr)


if __name__ == "__main__":
    main(*(globals()[name] for name in sys.argv[1:] or ("words", "history", "types", "interrupted", "deep", "no_room")))
