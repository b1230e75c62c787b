"""monitor.py - asks a machine's debugger socket questions; the machine stands still for each and runs on after it."""
import socket
import time

from guest import Failure


class Monitor:
    """For a machine started with --gdb PATH. The path must be short: a socket's name has 107 bytes at most."""

    def __init__(self, path, seconds=30):
        self.path = path
        self.seconds = seconds
        self.data = b""

    def _packet(self, s, text):
        s.sendall(f"${text}#{sum(text.encode()) & 255:02x}".encode())

    def _reply(self, s):
        while True:
            start = self.data.find(b"$")
            end = self.data.find(b"#", start)
            if start >= 0 and end >= 0 and len(self.data) >= end + 3:
                s.sendall(b"+")
                reply, self.data = self.data[start + 1:end].decode(), self.data[end + 3:]
                return reply
            more = s.recv(65536)
            if not more:
                raise Failure("the debugger's socket was closed")
            self.data += more

    def _connect(self):
        end = time.monotonic() + self.seconds
        while True:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(self.path)
                return s
            except OSError as why:
                s.close()
                if time.monotonic() > end:
                    raise Failure(f"no debugger's socket at {self.path}: {why}") from why
                time.sleep(0.2)

    def ask(self, command):
        """The answer to a monitor command."""
        with self._connect() as s:
            s.settimeout(self.seconds)
            self.data = b""
            self._packet(s, "qRcmd," + command.encode().hex())
            text = ""
            while (reply := self._reply(s)) != "OK":
                text += bytes.fromhex(reply.removeprefix("O")).decode()
                if not reply.startswith("O"):  # a short text is the answer itself
                    break
            return text
