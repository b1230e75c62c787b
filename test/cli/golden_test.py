#!/usr/bin/env python3
"""golden_test.py [--write] [FILE...] - every session in golden/*.txt gives what is written there: output, errors, exit codes.

--write puts what it gives into the files instead: to be read before it is kept.
"""
import glob
import os
import subprocess
import sys

from manage import check, main
from transcript import Player, Step, read

HERE = os.path.dirname(os.path.realpath(__file__))
WRITE = "--write" in sys.argv
FILES = [a for a in sys.argv[1:] if not a.startswith("--")] or sorted(glob.glob(os.path.join(HERE, "golden", "*.txt")))


def play(h, path):
    player, written = Player(h), []
    for step in read(path):
        if not isinstance(step, Step):
            player.directive(step)
            written.append(step)
            continue
        got = player.run(step)
        written += got.written()
        check(WRITE or got.written() == step.written(), "got\n" + "\n".join(got.written()) + "\nwanted\n" + "\n".join(step.written()))
    if WRITE:
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(written) + "\n")


def test_of(path):
    with open(path, encoding="utf-8") as f:
        alone = f.readline() == "% unshare\n" and "--here" not in sys.argv

    def test(h):
        if not alone:
            play(h, path)
            return
        words = ["unshare", "-rn", sys.executable, __file__, "--here", *(["--write"] if WRITE else []), path]
        run = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
        check(run.returncode == 0, run.stdout)
    test.__name__ = os.path.basename(path)[:-4]
    return test


main(*(test_of(path) for path in FILES))
