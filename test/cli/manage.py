"""manage.py - a configuration directory of its own for a test, VBoxManage in it, and what is left when it ends."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BIN = os.environ.get("RINGBOX_BIN", os.path.join(ROOT, "build", "bin"))


class Failure(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failure(what)


class Result:
    def __init__(self, run):
        self.rc, self.out, self.err = run.returncode, run.stdout, run.stderr

    def __repr__(self):
        return f"exit status {self.rc}\nstdout:\n{self.out}\nstderr:\n{self.err}"


class Home:
    """`with Home() as h:`; h("list", "vms") runs VBoxManage. Afterwards no process and no runtime file may be left."""

    def __init__(self, keep=False):
        self.top = tempfile.mkdtemp(prefix="rb-", dir="/tmp")
        self.config, self.run_dir, self.vms = (os.path.join(self.top, d) for d in ("cfg", "run", "VirtualBox VMs"))
        os.mkdir(self.run_dir, 0o700)
        self.env = dict(os.environ, HOME=self.top, VBOX_USER_HOME=self.config, XDG_RUNTIME_DIR=self.run_dir, LANG="C")
        self.keep = keep

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop()
        if not self.keep:
            shutil.rmtree(self.top, ignore_errors=True)

    def popen(self, *args, **more):
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **more}
        return subprocess.Popen([os.path.join(BIN, "VBoxManage"), *args], env=self.env, cwd=self.top, **more)

    def __call__(self, *args, seconds=60):
        run = subprocess.run([os.path.join(BIN, "VBoxManage"), *args], env=self.env, cwd=self.top, stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, timeout=seconds, check=False)
        return Result(run)

    def ok(self, *args, seconds=60):
        """Runs a command that must succeed; its standard output."""
        r = self(*args, seconds=seconds)
        check(r.rc == 0, f"VBoxManage {' '.join(args)}: {r}")
        return r.out

    def info(self, name):
        """showvminfo --machinereadable as a dictionary."""
        text = self.ok("showvminfo", name, "--machinereadable")
        return {k.strip('"'): v.strip('"') for k, v in re.findall(r'^("[^"]*"|[^=\n]+)=(.*)$', text, re.M)}

    def wait_state(self, name, state, seconds):
        end = time.monotonic() + seconds
        while self.info(name)["VMState"] != state:
            check(time.monotonic() < end, f"{name} is {self.info(name)['VMState']}, not {state}, after {seconds} s")
            time.sleep(0.3)

    def pids(self, program):
        """Processes of ours: they have this home in their environment."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    mine = f"VBOX_USER_HOME={self.config}".encode() in f.read().split(b"\0")
                with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                    text = f.read()
                name, status = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2]
                if mine and name == program[:15] and status != "Z":
                    found.append(int(pid))
            except (OSError, ValueError):
                pass
        return found

    def wait_gone(self, program, seconds):
        end = time.monotonic() + seconds
        while self.pids(program):
            check(time.monotonic() < end, f"{program} is still there after {seconds} s")
            time.sleep(0.05)

    def runtime_files(self):
        return sorted(f for _, _, files in os.walk(self.run_dir) for f in files)

    def stop(self):
        for program in ("VBoxHeadless", "VBoxSVC"):
            for pid in self.pids(program):
                try:
                    os.kill(pid, signal.SIGTERM)
                except ProcessLookupError:
                    pass
            try:
                self.wait_gone(program, 10)
            except Failure:
                for pid in self.pids(program):
                    os.kill(pid, signal.SIGKILL)


def main(*tests):
    """Runs the functions, each in a home of its own; TAP on standard output."""
    bad = 0
    print(f"1..{len(tests)}")
    for number, test in enumerate(tests, 1):
        started = time.monotonic()
        try:
            with Home() as home:
                test(home)
            print(f"ok {number} - {test.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
        except (Failure, subprocess.TimeoutExpired) as failure:
            bad += 1
            print(f"not ok {number} - {test.__name__}")
            told = "\n".join("# " + line for line in str(failure).splitlines())
            print(told, flush=True)
            print(told, file=sys.stderr, flush=True)  # meson shows a failed test's standard error
    sys.exit(1 if bad else 0)
