"""monitor.py - asks a machine's debugger socket questions. The machine stands still while a Monitor is open."""
import os
import socket
import tempfile
import time

from guest import Failure


def address():
    """A path for --gdb: a socket's name has 107 bytes at most, a build folder's may have more."""
    return os.path.join(tempfile.mkdtemp(prefix="ringbox-"), "gdb")


class Monitor:
    def __init__(self, path, seconds=30):
        self.seconds = seconds
        self.data = b""
        end = time.monotonic() + seconds
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(path)
                break
            except OSError as why:
                self.socket.close()
                if time.monotonic() > end:
                    raise Failure(f"no debugger's socket at {path}: {why}") from why
                time.sleep(0.2)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _reply(self):
        while True:
            start = self.data.find(b"$")
            end = self.data.find(b"#", start)
            if start >= 0 and end >= 0 and len(self.data) >= end + 3:
                self.socket.sendall(b"+")
                reply, self.data = self.data[start + 1:end].decode(), self.data[end + 3:]
                return reply
            more = self.socket.recv(65536)
            if not more:
                raise Failure("the debugger's socket was closed")
            self.data += more

    def send(self, command):
        """A monitor command whose answer nobody waits for."""
        text = "qRcmd," + command.encode().hex()
        self.socket.sendall(f"${text}#{sum(text.encode()) & 255:02x}".encode())

    def ask(self, command, seconds=None):
        """The answer to a monitor command."""
        self.socket.settimeout(seconds or self.seconds)
        self.send(command)
        answer = ""
        while (reply := self._reply()) != "OK":
            answer += bytes.fromhex(reply.removeprefix("O")).decode()
            if not reply.startswith("O"):  # a short text is the answer itself
                break
        return answer
