"""transcript.py - sessions of VBoxManage as they are written in golden/*.txt, run and read.

    # a comment                          % file NAME BYTES        a file of zeros
    $ list vms                           % write NAME TEXT        a file with that text and a newline
    "a" {UUID-1}     standard output     % wait MACHINE STATE
    ! a line of standard error           % unshare                (first line) in a network of its own
    = 1              exit status, not 0

`$1` compares the first line of each stream alone, `$0` nothing but the exit status: the rest is the host's, or the moment's. `< FILE` at the end of a command is its input. What differs
from run to run has a name: TOP, UUID-N (in order), TIME, MAC; the third line of a failed call is `Context: (call)`. The usage of a syntax
error is `(usage)`, if it is the command's help.
"""
import os
import re
import shlex

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHAPES = [(re.compile(r"\d{4}-\d\d-\d\dT\d\d[:-]\d\d[:-]\d\d[.-]\d+Z?"), "TIME"), (re.compile(r"\b080027[0-9A-F]{6}\b"), "MAC"),
          (re.compile(r'Context: ".*" at line \d+ of file \w+\.c'), "Context: (call)")]


class Step:
    """One command: as it is written, its words, what it reads, and what must come of it."""

    def __init__(self, text, mark):
        self.text, self.mark = text, mark
        self.words = shlex.split(text)
        self.input = None
        if len(self.words) > 2 and self.words[-2] == "<":
            self.input = self.words[-1]
            del self.words[-2:]
        self.lines, self.rc = [], 0

    def written(self):
        return [f"{self.mark} {self.text}", *self.lines, *([f"= {self.rc}"] if self.rc else [])]


def read(path):
    """The file's steps, and lines that are none, in order."""
    all_steps, step = [], None
    with open(path, encoding="utf-8") as f:
        for line in f.read().splitlines():
            kind = re.match(r"(\$[01]?|%|#|=) ?", line)
            if kind and kind[1].startswith("$"):
                step = Step(line[kind.end():], kind[1])
                all_steps.append(step)
            elif kind and kind[1] == "=":
                step.rc = int(line[2:])
            elif kind or not line and step is None:
                all_steps.append(line)
                step = None
            else:
                step.lines.append(line)
    return all_steps


class Player:
    """Runs a file's steps in a home."""

    def __init__(self, h):
        self.h, self.ids, self.usages = h, {}, {}

    def name_of(self, match):
        return self.ids.setdefault(match[0], f"UUID-{len(self.ids) + 1}")

    def plain(self, text):
        text = UUID.sub(self.name_of, text.replace(self.h.top, "TOP"))
        for shape, name in SHAPES:
            text = shape.sub(name, text)
        return text

    def without_usage(self, command, err):
        if command not in self.usages:
            self.usages[command] = self.h("help", command).out
        usage, first = self.usages[command], err.split("\n", 1)[0]
        if err == f"{first}\n\n{usage}{first}\n":
            return f"{first}\n(usage)\n"
        return err.replace(usage, "(usage)\n")

    def directive(self, line):
        words = line[1:].split(" ", 3)[1:] if line.startswith("%") else []
        if words[:1] == ["file"]:
            with open(os.path.join(self.h.top, words[1]), "wb") as f:
                f.truncate(int(words[2]))
        elif words[:1] == ["write"]:
            with open(os.path.join(self.h.top, words[1]), "w", encoding="utf-8") as f:
                f.write(words[2] + "\n")
        elif words[:1] == ["wait"]:
            self.h.wait_state(words[1], words[2], 60)

    def run(self, step):
        """What came of it, as a step."""
        words = [w.replace("TOP", self.h.top) for w in step.words]
        source = open(os.path.join(self.h.top, step.input), encoding="utf-8") if step.input else None
        process = self.h.popen(*words, **({"stdin": source} if source else {}))
        out, err = process.communicate(timeout=120)
        if source:
            source.close()
        if process.returncode == 2:
            err = self.without_usage(words[0], err)
        got = Step(step.text, step.mark)
        got.rc = process.returncode
        sides = [self.plain(out).splitlines(), ["! " + line for line in self.plain(err).splitlines()]]
        kept = {"$0": 0, "$1": 1}.get(step.mark)
        got.lines = [line for side in sides for line in side[:kept]]
        got.lines = ["\\" + line if re.match(r"[$%#=\\]", line) else line for line in got.lines]
        return got
