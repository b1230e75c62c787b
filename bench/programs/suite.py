#!/usr/bin/env python3
"""suite.py [PART...] - typical pure-Python work; each part prints a checksum that depends on nothing but the interpreter's correctness."""
import hashlib
import itertools
import math
import re
import sys


def checksum(*values):
    return hashlib.md5(repr(values).encode()).hexdigest()


def queens():
    def solve(n, row, columns, up, down):
        if row == n:
            return 1
        return sum(solve(n, row + 1, columns | {c}, up | {c + row}, down | {c - row})
                   for c in range(n) if c not in columns and c + row not in up and c - row not in down)
    return solve(8, 0, frozenset(), frozenset(), frozenset())


def fannkuch():
    most = 0
    for p in itertools.permutations(range(8)):
        p, flips = list(p), 0
        while p[0]:
            p[: p[0] + 1] = p[p[0]:: -1]
            flips += 1
        most = max(most, flips)
    return most


def spectral():
    n = 90
    u = [1.0] * n
    for _ in range(4):
        for a in (lambda i, j: (i + j) * (i + j + 1) / 2 + i + 1, lambda j, i: (i + j) * (i + j + 1) / 2 + i + 1):
            u = [sum(u[j] / a(i, j) for j in range(n)) for i in range(n)]
    return [x.hex() for x in u[:8]]


class Body:
    def __init__(self, i):
        self.x, self.y, self.vx, self.vy, self.mass = i * 1.5, i * i * 0.25, 0.0, 1.0 / (i + 1), 1.0 + i


def bodies():
    system = [Body(i) for i in range(5)]
    for _ in range(6000):
        for a, b in itertools.combinations(system, 2):
            dx, dy = a.x - b.x, a.y - b.y
            pull = 0.001 / math.sqrt(dx * dx + dy * dy + 0.01) ** 3
            a.vx -= dx * b.mass * pull
            a.vy -= dy * b.mass * pull
            b.vx += dx * a.mass * pull
            b.vy += dy * a.mass * pull
        for a in system:
            a.x += a.vx * 0.001
            a.y += a.vy * 0.001
    return [round(a.x, 9) for a in system]


def digits():
    q, r, t, k, found = 1, 0, 1, 1, []
    while len(found) < 700:
        n = (3 * q + r) // t
        if n == (4 * q + r) // t:
            found.append(n)
            q, r = 10 * q, 10 * (r - n * t)
        else:
            q, r, t, k = q * k, (2 * q + r) * (2 * k + 1), t * (2 * k + 1), k + 1
    return "".join(map(str, found))


def words():
    text, seed = [], 1
    for _ in range(60000):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        text.append("".join("etaoinshr"[(seed >> s) % 9] for s in (3, 8, 13, 18)[: 1 + seed % 4]))
    count = {}
    for word in text:
        count[word] = count.get(word, 0) + 1
    found = re.findall(r"\b([aeio]+)([^aeio ]*)\b", " ".join(text))
    return sorted(count.items(), key=lambda e: (-e[1], e[0]))[:20], len(found), "-".join(text[::997])


def sorting():
    seed, numbers = 7, []
    for _ in range(60000):
        seed = seed * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        numbers.append(seed >> 33)
    by_text = sorted(map(str, numbers))
    heap = []
    for n in numbers[:20000]:  # a heap by hand
        heap.append(n)
        i = len(heap) - 1
        while i and heap[(i - 1) // 2] > heap[i]:
            heap[i], heap[(i - 1) // 2] = heap[(i - 1) // 2], heap[i]
            i = (i - 1) // 2
    return by_text[::5000], heap[:10], sorted(numbers)[30000]


def generators():
    def tree(depth):
        if depth:
            yield from tree(depth - 1)
            yield depth
            yield from tree(depth - 1)
    caught = 0
    for n in tree(15):
        try:
            if n % 3 == 0:
                raise ValueError(n)
        except ValueError as e:
            caught += e.args[0]
    return caught, sum(tree(14))


PARTS = (queens, fannkuch, spectral, bodies, digits, words, sorting, generators)
for part in PARTS:
    if len(sys.argv) == 1 or part.__name__ in sys.argv[1:]:
        print(f"python {part.__name__} {checksum(part())}", flush=True)
