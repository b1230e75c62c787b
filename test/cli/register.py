"""register.py - was a history of reads and writes of one register linearisable?

Gibbons and Korach, Testing Shared Memories (SIAM J. Comput. 26, 1997): when no value is written twice, this is decided by the values'
zones. A value's write and the reads that returned it are its cluster; its zone lies between the first end and the last start in it, and is
forward if the end comes first. The history is linearisable if and only if every read returned a value whose write had begun before the
read ended, no two forward zones overlap, and no backward zone lies inside a forward one.
"""
from collections import namedtuple

Op = namedtuple("Op", "kind value start end")  # kind: "read" or "write"


def clusters(history, initial):
    """value: its operations; the initial value was written before everything."""
    found = {initial: [Op("write", initial, float("-inf"), float("-inf"))]}
    for op in history:
        if op.kind == "write":
            if op.value in found:
                return None, f"{op.value} was written twice"
            found[op.value] = [op]
    for op in history:
        if op.kind == "read":
            if op.value not in found:
                return None, f"{op.value} was read and never written"
            if op.end < found[op.value][0].start:
                return None, f"{op.value} was read before it was written"
            found[op.value].append(op)
    return found, None


def violation(history, initial=None):
    """None: linearisable; otherwise why not."""
    found, why = clusters(history, initial)
    if why is not None:
        return why
    forward, backward = [], []
    for value, ops in found.items():
        first_end, last_start = min(op.end for op in ops), max(op.start for op in ops)
        if first_end < last_start:
            forward.append((first_end, last_start, value))
        else:
            backward.append((last_start, first_end, value))
    forward.sort()
    for (_, end, one), (start, _, other) in zip(forward, forward[1:]):
        if start < end:
            return f"{one} was still read after {other} had been seen"
    for start, end, value in backward:
        for low, high, other in forward:
            if low < start and end < high:
                return f"{value} was overwritten by nothing, yet {other} was there before and after it"
    return None
