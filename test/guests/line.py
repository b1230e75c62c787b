"""line.py - a guest's serial port, a Unix socket: what it says, and commands for its shell."""
import re
import select
import socket
import time

from guest import Failure, check

PROMPT = r"guest:\S*# "


class Line:
    """The guest's serial port, a Unix socket."""

    def __init__(self, path):
        self.socket, self.text = socket.socket(socket.AF_UNIX), ""
        self.socket.connect(path)

    def wait_for(self, pattern, seconds):
        end = time.monotonic() + seconds
        while not (match := re.search(pattern, self.text)):
            if time.monotonic() > end:
                raise Failure(f"no {pattern!r} within {seconds} s:\n{self.text[-2000:]}")
            if select.select([self.socket], [], [], 0.5)[0]:
                data = self.socket.recv(65536)
                check(data, f"the machine ended while waiting for {pattern!r}:\n{self.text[-2000:]}")
                self.text += data.decode("utf-8", "replace").replace("\r", "")
        before, self.text = self.text[: match.end()], self.text[match.end():]
        return before

    def run(self, command, seconds=60):
        self.socket.sendall(command.encode() + b"\r")
        self.wait_for(re.escape(command), seconds)
        return self.wait_for(PROMPT, seconds)
