#!/usr/bin/env python3
"""teleport_hostile_test.py - either side of a teleport faces one that has the password and says what it likes.

openssl(1) speaks for that side, with the key link.c makes. A source goes on whatever it hears; a target writes nothing
outside its disks, ends by itself when it has heard enough, and waits for another one until it has said YES.
"""
import hashlib
import os
import random
import select
import struct
import subprocess
import time

from manage import Failure, Home, check, main
from teleport_disks_test import disk_of, target_disk
from teleport_test import PASSWORD, Side, port

HELLO, YES, NO, MEMORY, STATE, FREE, LOADED, GO, RUNNING, DISK, SYNC, SYNCED = range(1, 13)
KEY = hashlib.pbkdf2_hmac("sha256", hashlib.sha256(PASSWORD.encode()).hexdigest().encode(), b"ringbox teleport 1", 100000, 32).hex()
TLS = ["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256", "-psk", KEY, "-psk_identity", "ringbox-teleport", "-quiet"]


def frame(kind, payload=b""):
    return struct.pack("<II", kind, len(payload)) + payload


def disk_piece(disk, chunk, zeros=0, pages=1, packed=b""):
    return frame(DISK, struct.pack("<IIQQQQQ", disk, zeros, chunk, pages, 0, 0, 0) + packed)


def plain(data):
    """A piece of memory or disk of one page, as pack.h has it."""
    return struct.pack("<IIQQQQ", 0, 1, 1, 0, 0, 0) + data.ljust(4096, b"\0")


class Talk:
    """One end of a connection; frames in and out."""

    def __init__(self, args):
        self.run = subprocess.Popen(["openssl", *args, *TLS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.data = b""

    def say(self, data):
        try:
            self.run.stdin.write(data)
            self.run.stdin.flush()
        except BrokenPipeError:
            pass  # it has had enough

    def hear(self, seconds=30):
        """The next frame, or None at the end."""
        end = time.monotonic() + seconds
        while len(self.data) < 8 or len(self.data) < 8 + struct.unpack_from("<I", self.data, 4)[0]:
            left = end - time.monotonic()
            check(left > 0, "no answer")
            if select.select([self.run.stdout], [], [], left)[0]:
                more = os.read(self.run.stdout.fileno(), 1 << 20)
                if not more:
                    return None
                self.data += more
        kind, size = struct.unpack_from("<II", self.data)
        payload, self.data = self.data[8:8 + size], self.data[8 + size:]
        return kind, payload

    def end(self):
        self.run.kill()
        self.run.communicate()


def listen():
    number = port()
    talk = Talk(["s_server", "-accept", f"127.0.0.1:{number}", "-nocert", "-naccept", "1"])
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with open("/proc/net/tcp", encoding="ascii") as f:
            if f"0100007F:{int(number):04X} 00000000:0000 0A" in f.read():
                return talk, number
        time.sleep(0.05)
    raise Failure("openssl s_server does not listen")


def tell_source(a, answers):
    """A target that answers HELLO with @answers, and each further frame until FREE with nothing; what the source has said."""
    talk, number = listen()
    run = a.h.popen("controlvm", "m", "teleport", "--host", "127.0.0.1", "--port", number, "--passwordfile", a.password, "--timeout", "8000")
    first = talk.hear()
    check(first is not None and first[0] == HELLO, "no HELLO")
    heard = []
    for answer in answers:
        while isinstance(answer, int):  # wait for that frame
            got = talk.hear()
            heard.append(got[0] if got else None)
            if got is None or got[0] == answer:
                break
        if isinstance(answer, bytes):
            talk.say(answer)
    time.sleep(0.2)
    talk.end()
    err = run.communicate(timeout=60)[1]
    return run.returncode, err, first[1], heard


def source_goes_on(h):
    a = Side(h, disk_of(h))
    a.start()
    check(a.goes_on(60), "the guest does not count")
    for name, answers, text in (
            ("no frame", [b"hello, world: this is no teleport"], "protocol"),
            ("a huge one", [struct.pack("<II", YES, 0xfffffff0)], "protocol"),
            ("more disks than there are", [frame(YES, b"\1" * 400)], "protocol"),
            ("none", [frame(YES)], "protocol"),
            ("synced before it was asked", [frame(YES, b"\1") + frame(SYNCED) * 3 + frame(LOADED)], ""),
            ("copies, and goes", [frame(YES, b"\1"), DISK], "closed"),
            ("never synced", [frame(YES, b"\1"), SYNC, frame(RUNNING)], "protocol"),
            ("why not", [frame(YES, b"\1"), SYNC, frame(NO, b"no room")], "no room"),
            ("loaded, and gone", [frame(YES, b"\1"), SYNC, frame(SYNCED), FREE, frame(LOADED), GO], ""),
            ("says it is shared, and is gone", [frame(YES, b"\0"), FREE, frame(LOADED), GO], "closed")):
        rc, err, _, heard = tell_source(a, answers)
        check(rc == 1 and text in err, f"{name}: {rc} {err} {heard}\n{a.log()[-1500:]}")
        check(a.goes_on(60) and a.state() == "running", f"{name}: the source does not go on: {a.state()}\n{a.log()[-1500:]}")
    a.off()


def hello_of(a):
    return tell_source(a, [frame(NO, b"only asking")])[2]


def tell_target(b, hello, data):
    """To a target that waits: HELLO, and @data when it has said YES; what came last."""
    talk = Talk(["s_client", "-connect", f"127.0.0.1:{b.port}"])
    talk.say(frame(HELLO, hello))
    got = talk.hear()
    if got and got[0] == YES and data:
        talk.say(data)
        while (more := talk.hear(60)) is not None:
            got = more
            if got[0] == NO:
                break
    talk.end()
    return got


def target_ends(h):
    rand = random.Random(8)
    with Home() as other:
        a, b = Side(h, disk_of(h)), Side(other, target_disk(other))
        a.start()
        check(a.goes_on(60), "the guest does not count")
        hello = hello_of(a)
        a.off()
        b.start(waits=True)
        magic, ram, config, item = 0, 8, 16, 80
        changes = [bytes(hello[:at]) + bytes([hello[at] ^ 1 << rand.randrange(2, 8)]) + bytes(hello[at + 1:])
                   for at in (magic, ram + 3, config + 9, item, item + 20, item + 24, item + 28, item + 32, item + 36, item + 41)]
        for n, bad in enumerate(changes + [hello + hello[item:], hello[:item], hello[:item + 10], b""]):  # not the same: it waits for the next one
            got = tell_target(b, bad, None)
            check(got is not None and got[0] == NO, f"changed HELLO {n}: {got}")
        check(b.state() == "teleportingin", f"it does not wait any more: {b.state()}\n{b.log()[-1000:]}")
        page, far = plain(b"x" * 100), 1 << 60
        cases = {
            "beyond the disk": (disk_piece(0, 96, packed=page), "beyond the end"),
            "far beyond": (disk_piece(0, far, packed=page), "beyond the end"),
            "another disk": (disk_piece(1, 0, packed=page), "beyond the end"),
            "any disk": (disk_piece(0xffffffff, 0, packed=page), "beyond the end"),
            "zeros beyond": (disk_piece(0, 90, zeros=7), "beyond the end"),
            "zeros without end": (disk_piece(0, 1, zeros=0xffffffff), "beyond the end"),
            "no head": (frame(DISK, b"short"), "damaged"),
            "damaged": (disk_piece(0, 0, packed=rand.randbytes(300)), "damaged"),
            "too long": (disk_piece(0, 0, packed=bytes(3 << 20)), "protocol"),
            "free too soon": (disk_piece(0, 95, packed=page) + frame(SYNC) + frame(FREE), "protocol"),
            "no state": (disk_piece(0, 0, packed=page) + frame(STATE, rand.randbytes(500)), ""),
        }
        for name, (data, text) in cases.items():
            if not b.h.pids("VBoxHeadless"):
                b.start(waits=True)
            got = tell_target(b, hello, data)
            b.h.wait_gone("VBoxHeadless", 60)
            check("the machine did not arrive" in b.log() and text in b.log() and "TERMINATED" in b.log(), f"{name}: {got}\n{b.log()[-1500:]}")
            check(b.rests(10), f"{name}: {b.state()}")
        for _ in range(4):  # anything, in pieces that are nearly right
            b.start(waits=True)
            data = b"".join(disk_piece(0, rand.randrange(96), rand.choice((0, 0, 1)), rand.getrandbits(64),
                                       rand.choice((b"", page, plain(rand.randbytes(4096))))) for _ in range(40))
            bad = bytearray(data)
            for _ in range(12):
                bad[rand.randrange(len(bad))] = rand.randrange(256)
            tell_target(b, hello, bytes(bad) + frame(FREE))
            b.h.wait_gone("VBoxHeadless", 60)
            check("TERMINATED" in b.log(), f"it has not ended by itself: {b.log()[-1500:]}")


if __name__ == "__main__":
    main(source_goes_on, target_ends)
