"""tgt.py - an iSCSI target for tests, tgt's, without root: one disk with CHAP."""
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time

from manage import check

TARGET, SECRET = "iqn.2026-01.test:disk", "canary/7f31@x"
PR_SET_PDEATHSIG = 1


def goes_with_us():
    """In the child: however this test ends, the target does, too."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Target:
    """tgtd as its administrator would set it up; TGT_IPC_SOCKET lets it and tgtadm meet without root."""

    def __init__(self, h, image):
        self.disk, self.socket = os.path.join(h.top, "lun1"), os.path.join(h.top, "tgt")
        shutil.copyfile(image, self.disk)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.env = dict(os.environ, TGT_IPC_SOCKET=self.socket)
        self.process = subprocess.Popen(["tgtd", "-f", "--iscsi", f"portal=127.0.0.1:{self.port}"], env=self.env,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=goes_with_us)
        end = time.monotonic() + 60
        while self.admin("--op new --mode target --tid 1 -T", TARGET) != 0:
            check(time.monotonic() < end and self.process.poll() is None, "tgtd does not answer")
            time.sleep(0.1)
        for words in (["--op new --mode logicalunit --tid 1 --lun 1 -b", self.disk], ["--op new --mode account --user alice --password", SECRET],
                      ["--op bind --mode account --tid 1 --user alice"], ["--op bind --mode target --tid 1 -I ALL"]):
            check(self.admin(*words) == 0, f"tgtadm {words}")

    def admin(self, words, *more):
        return subprocess.run(["tgtadm", "--lld", "iscsi", *words.split(), *more], env=self.env, capture_output=True, check=False).returncode

    def __enter__(self):
        return self

    def end(self):
        self.process.kill()
        self.process.wait()

    def __exit__(self, *_):
        self.end()
