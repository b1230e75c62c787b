"""guest.py - starts a machine in VBoxHeadless, talks to it over its serial line, watches how it ends.

Standard library only. Everything that is made (kernels, disks, machines) lives under build/guests and is made once.
"""
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
GUESTS = os.path.join(ROOT, "build", "guests")
OPTIONS = os.environ.get("GUEST_OPTIONS", "").split()  # of VBoxHeadless, for every machine
PROMPT = r"guest:\S*# "


class Failure(Exception):
    pass


def make(name, arch="amd64", **settings):
    """A machine with Debian's kernel and busybox on a VDI; settings are tools/guest/demo's environment (KERNEL, CPUS, FIRMWARE ...)."""
    folder = os.path.join(GUESTS, name)
    shutil.rmtree(folder, ignore_errors=True)
    env = dict(os.environ, NAME=name, **{k: str(v) for k, v in settings.items()})
    subprocess.run([os.path.join(ROOT, "tools/guest/demo"), arch, GUESTS], env=env, check=True)
    return os.path.join(folder, name + ".vbox")


class Machine:
    def __init__(self, vbox, *options):
        self.folder = os.path.dirname(vbox)
        self.screen = os.path.join(self.folder, "screen.png")
        self.text = ""
        self.started = time.monotonic()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            program = os.path.join(ROOT, "build/bin/VBoxHeadless")
            os.execv(program, [program, "--startvm", vbox, "--serial-console", "--screenshot", self.screen, *options, *OPTIONS])

    def _read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other side of a pty is gone
            return False
        self.text += data.decode("utf-8", "replace").replace("\r", "")
        return bool(data)

    def wait_for(self, pattern, seconds):
        """Text on the line since the last match; that text is consumed and returned."""
        end = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.text)
            if match:
                before, self.text = self.text[: match.end()], self.text[match.end():]
                return before
            if time.monotonic() > end:
                raise Failure(f"no {pattern!r} within {seconds} s; the line says:\n{self.text[-3000:]}")
            if not self._read(0.5):
                raise Failure(f"the machine ended while waiting for {pattern!r}:\n{self.text[-3000:]}")

    def run(self, command, seconds=60):
        """Types a shell command, returns what it printed."""
        os.write(self.fd, command.encode() + b"\r")
        self.wait_for(re.escape(command), seconds)
        return self.wait_for(PROMPT, seconds)

    def type(self, text):
        os.write(self.fd, text.encode())

    def signal(self, number):
        os.kill(self.pid, number)

    def screenshot(self, seconds=10):
        """Path of a fresh picture of the screen."""
        if os.path.exists(self.screen):
            os.unlink(self.screen)
        self.signal(signal.SIGUSR1)
        end = time.monotonic() + seconds
        while not os.path.exists(self.screen):
            self._read(0.1)
            if time.monotonic() > end:
                raise Failure("no screenshot came")
        return self.screen

    def wait_end(self, seconds, status=0):
        """Until the process ends by itself with this exit status; returns the rest of the line."""
        end = time.monotonic() + seconds
        while self._read(0.2):
            if time.monotonic() > end:
                raise Failure(f"the machine still runs after {seconds} s:\n{self.text[-2000:]}")
        _, raw = os.waitpid(self.pid, 0)
        self.pid = None
        if os.waitstatus_to_exitcode(raw) != status:
            raise Failure(f"exit status {os.waitstatus_to_exitcode(raw)} instead of {status}:\n{self.text[-2000:]}")
        return self.text

    def kill(self):
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass


def log_lines(m, word):
    """The lines of the machine's log with a word in them."""
    with open(os.path.join(m.folder, "Logs", "VBox.log"), encoding="utf-8", errors="replace") as log:
        return [line.rstrip() for line in log if word in line]


def check(condition, what):
    if not condition:
        raise Failure(what)


def main(test):
    """Runs test(); prints the reason of a failure; exit status for the caller."""
    started = time.monotonic()
    try:
        test()
    except Failure as failure:
        print(f"FAILED: {failure}")
        sys.exit(1)
    print(f"passed in {time.monotonic() - started:.0f} s")
