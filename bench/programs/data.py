#!/usr/bin/env python3
"""data.py MIB - prints that many MiB of text and tables, always the same, that compress to about a quarter."""
import random
import sys

rng = random.Random(7)
vocabulary = ["".join(rng.choice("etaoinshrdlucmfw") for _ in range(rng.randrange(2, 9))) for _ in range(3000)]
left = int(sys.argv[1]) << 20
while left > 0:
    words = [vocabulary[min(int(rng.paretovariate(0.7)), 2999)] for _ in range(3000)]
    block = (" ".join(words) + "\n").encode() + rng.randbytes(600) + b"".join(i.to_bytes(4, "little") for i in range(rng.randrange(9999), 12000, 3))
    sys.stdout.buffer.write(block[:left])
    left -= len(block)
