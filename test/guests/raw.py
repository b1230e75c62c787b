"""raw.py ARCH - Debian with all its programs in jails (--raw-mode always), on two CPUs: it computes what it computes without, no memory of
any jail is writable and executable, a stopped jail holds up nothing, and a killed one ends the machine with that reason and takes the others
along. amd64: run-raw; i386, whose programs and kernel are 32-bit: test/long/raw-i386."""
import hashlib
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time

from debian import wait_shell
from guest import ROOT, Machine, check, log_lines, main, make
from monitor import Monitor, address

WORK = "w() { awk 'BEGIN{for(;i<2e5;i++)s=(s*33+i)%1000003;print s}'; }"  # lines of a terminal have 80 characters
SORT = "seq 1 20000 | sort -n | md5sum"
SORTED = hashlib.md5("".join(f"{n}\n" for n in range(1, 20001)).encode()).hexdigest()


def jails(m):
    """The processes the machine's process has made."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == m.pid and fields[0] != "Z":
            found.append(int(pid))
    return found


def writable_code(pids):
    wrong = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
                wrong += [f"{pid}: {line}" for line in f if re.match(r"\S+ .wx", line)]
        except OSError:
            continue
    return wrong


class Watch(threading.Thread):
    """Looks every 10 ms for memory of the machine's process or of its jails that is writable and executable."""

    def __init__(self, m):
        super().__init__(daemon=True)
        self.m, self.done, self.wrong, self.looks = m, threading.Event(), [], 0

    def run(self):
        pids = []
        while not self.done.wait(0.01):
            if self.looks % 50 == 0:
                pids = [self.m.pid, *jails(self.m)]
            self.wrong += writable_code(pids)
            self.looks += 1

    def finish(self):
        self.done.set()
        self.join()
        check(self.looks > 100, f"looked at the memory {self.looks} times only")
        check(not self.wrong, f"writable code: {self.wrong[:5]}")
        return self.looks


def gains(m):
    """What the machine's process gets if it asks for writable code: nothing, even if somebody else speaks for it."""
    asked = subprocess.run([os.path.join(ROOT, "build/test/escape/gain"), str(m.pid)], stdout=subprocess.PIPE, text=True, check=False)
    print(asked.stdout.replace("\n", "; "))
    if log_lines(m, "MDWE ("):  # Linux before 6.3
        check("writable code: granted" not in asked.stdout and "code writable: granted" not in asked.stdout, "writable code")
    else:
        check(asked.returncode == 0, f"it got executable memory, or cannot be asked ({asked.returncode})")


def counters(path):
    with Monitor(path) as q:
        text = q.ask("info stats /RAW/*")
    return {name: int(value) for name, value in re.findall(r"/RAW/(\S+)\s+(\d+)", text)}


def computes(m):
    total = 0
    for i in range(200000):
        total = (total * 33 + i) % 1000003
    m.run(WORK)
    check(f"\n{total}\n" in m.run("w", 120), "another sum")
    twice = m.run("w & w; wait", 120)
    check(twice.count(f"{total}\n") == 2, f"two at a time get other sums: {twice}")
    check(SORTED in m.run(SORT, 120), "another order")


def elf32(code):
    """The smallest program Linux runs in 32-bit mode."""
    base, headers = 0x8048000, 52 + 32
    whole = headers + len(code)
    head = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + headers, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    return head + struct.pack("<IIIIIIII", 1, 0, base, base, whole, whole, 5, 0x1000) + code


def computes_32(m):
    """A 32-bit program, whatever the kernel is: its sum is its exit status."""
    count = 20000000
    # mov ecx, count; xor ebx, ebx; 1: add ebx, ecx; dec ecx; jnz 1; shr ebx, 16; movzx ebx, bl; mov eax, 1; int 80h
    code = b"\xb9" + struct.pack("<I", count) + bytes.fromhex("31db 01cb 49 75fb c1eb10 0fb6db b801000000 cd80")
    text = "".join(f"\\{byte:03o}" for byte in elf32(code))
    m.run("rm -f /tmp/p")
    for at in range(0, len(text), 48):  # lines of a terminal have 80 characters
        m.run(f"printf '{text[at:at + 48]}' >> /tmp/p")
    wanted = (count * (count + 1) // 2 >> 16) & 255
    check(f"status {wanted}\n" in m.run("chmod +x /tmp/p; /tmp/p; echo status $?", 120), f"a 32-bit program's status is not {wanted}")


def stopped_jail(m):
    """SIGSTOP from outside is not the guest's: it goes on at once, and the machine still answers."""
    for pid in jails(m):
        os.kill(pid, signal.SIGSTOP)
    since = time.monotonic()
    check("alive" in m.run("echo al''ive", 60), "the machine hangs after its jails were stopped")
    return time.monotonic() - since


def test(arch):
    path = address()
    m = Machine(make("t-raw-" + arch, arch=arch, CPUS=2), "--raw-mode", "always", "--gdb", path)
    try:
        wait_shell(m)
        made = jails(m)
        check(len(made) >= 2, f"no jails, but processes {made}: {log_lines(m, 'RAW:')}")
        watch = Watch(m)
        watch.start()
        computes(m)
        m.run("dd if=/dev/zero bs=64k count=200 2> /dev/null | gzip | gunzip | md5sum", 120)  # the kernel's code is translated meanwhile
        looks = watch.finish()
        gains(m)
        computes_32(m)
        log = m.run("dmesg | grep -iE 'BUG:|Oops|Call Tr|segfault|traps:|general prot'")
        check(log.count("\n") <= 2, f"the kernel complains: {log}")
        numbers = counters(path)
        for cpu in ("CPU0", "CPU1"):
            check(numbers.get(f"{cpu}/Enters", 0) > 100, f"{cpu} ran nothing natively: {numbers}")
        check(numbers["CPU0/Strange"] == 0 and numbers["CPU1/Strange"] == 0, f"strange selectors: {numbers}")
        print(f"looked at the memory {looks} times; stopped jails cost {stopped_jail(m):.1f} s;", ", ".join(f"{k} {v}" for k, v in numbers.items()))
        m.type("while true; do w; done\r")
        time.sleep(3)
        for pid in made:
            os.kill(pid, signal.SIGKILL)
        m.wait_end(60, status=1)
        check(any("raw mode" in line for line in log_lines(m, "was killed")), "the log does not say why")
        end = time.monotonic() + 10
        while any(os.path.exists(f"/proc/{pid}") for pid in made):
            check(time.monotonic() < end, "jails are left")
            time.sleep(0.1)
    finally:
        m.kill()


if __name__ == "__main__":
    main(lambda: test(sys.argv[1]))
