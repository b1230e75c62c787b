"""programs.py - a Debian 12 guest with compilers, interpreters and compressors, and the same tree of programs on the host.

What runs in both is bench/programs/work; its sums must be the same, its times are compared by bench/programs.sh.
"""
import os
import shutil
import signal
import subprocess

from guest import GUESTS, PROMPT, ROOT, Machine, check, log_lines

PACKAGES = "gcc libc6-dev python3 perl stress-ng nodejs luajit p7zip gzip".split()
WORK = "/opt/programs/work"
BOOT_SECONDS = 300


def make(name, **settings):
    """The machine's settings file; made anew, from a file system that is made once."""
    shutil.rmtree(os.path.join(GUESTS, name), ignore_errors=True)
    env = dict(os.environ, NAME=name, ROOT_MIB="1536", FILES=os.path.join(ROOT, "bench/programs"), RAM_MIB="1024", **{k: str(v) for k, v in settings.items()})
    subprocess.run([os.path.join(ROOT, "tools/guest/mkdebian"), "amd64", GUESTS, *PACKAGES], env=env, check=True)
    return os.path.join(GUESTS, name, name + ".vbox")


def login(m):
    m.wait_for(r"guest login: ", BOOT_SECONDS)
    m.type("root\r")
    m.wait_for(PROMPT, 120)
    m.run("bind 'set enable-bracketed-paste off'; stty -echo; systemctl stop '*.timer'; dmesg -n 1", 120)


def answer(m, command, seconds):
    """What a command prints, line by line."""
    m.type(command + "; echo end-of-answer\r")
    return m.wait_for(r"(?m)^end-of-answer$[^#]*# ", seconds).split("end-of-answer")[0].split("\n")[:-1]


def native_tree(machine_folder):
    """The guest's file system as a directory on the host."""
    tree = os.path.join(machine_folder, "native")
    if not os.path.exists(tree):
        os.makedirs(tree)
        disk = os.path.join(machine_folder, "root.ext4")
        subprocess.run(["/sbin/debugfs", "-R", f"rdump / {tree}", disk], stderr=subprocess.DEVNULL, check=True)
    return tree


def native_command(tree, command):
    """Runs a command with the tree as root, in name spaces of its own."""
    enter = 'mount -t proc proc "$0/proc"; mount --rbind /dev "$0/dev"; exec chroot "$0" env -i PATH=/usr/bin:/bin HOME=/root sh -c "$1"'
    return ["unshare", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", enter, tree, command]


def native(tree, command):
    return subprocess.run(native_command(tree, command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()


def differences(guest, host):
    """Lines that only one of the two printed."""
    return [f"guest: {line}" for line in guest if line not in host] + [f"host:  {line}" for line in host if line not in guest]


def complaints(m):
    """What the kernel says about itself and about programs that died."""
    return answer(m, "dmesg | grep -E 'BUG:|Oops|Call Trace|soft lockup|rcu.*stall|segfault|traps:|blocked for more|general protection'", 60)


def shut_down(m):
    m.signal(signal.SIGUSR2)
    end = m.wait_end(300)
    check("powered off by the guest (ACPI" in end, f"it did not end through ACPI:\n{end[-800:]}")
    print("\n".join(log_lines(m, "EM: CPU")))
