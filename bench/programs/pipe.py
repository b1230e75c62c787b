#!/usr/bin/env python3
"""pipe.py CPU CPU - microseconds for a byte to go through a pipe to a process on the other processor and back."""
import os
import sys
import time

TRIPS = 3000
there, back = os.pipe(), os.pipe()
child = os.fork()
os.sched_setaffinity(0, {int(sys.argv[1 if child else 2])})
if not child:
    for _ in range(TRIPS):
        os.write(back[1], os.read(there[0], 1))
    os._exit(0)
started = time.monotonic()
for _ in range(TRIPS):
    os.write(there[1], b"x")
    os.read(back[0], 1)
print(f"{(time.monotonic() - started) / TRIPS * 1e6:.1f} us")
