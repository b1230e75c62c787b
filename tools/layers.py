#!/usr/bin/env python3
"""layers.py SOURCE_ROOT - checks every #include against tools/layers.txt: down is allowed, up and cycles are not.

layers.txt has one line per folder under src/: `folder: folders whose headers it may include`; a folder may always
include its own headers and those of folders nested in it. `_int.h` headers may be included by their own folder only.
"""
import os
import re
import sys


def read_rules(path):
    rules = {}
    for line in open(path, encoding="utf-8"):
        line = line.split("#")[0].strip()
        if line:
            folder, _, allowed = line.partition(":")
            rules[folder.strip()] = allowed.split()
    return rules


def covered(folder, names):
    return any(folder == n or folder.startswith(n + "/") or "/".join(folder.split("/")[:len(n.split("/"))]) == n for n in names)


def rule_for(folder, rules):
    while folder and folder not in rules:
        folder = os.path.dirname(folder)
    return folder


def main():
    root = sys.argv[1]
    rules = read_rules(os.path.join(root, "tools", "layers.txt"))
    src, wrong, count = os.path.join(root, "src"), [], 0
    for here, _, files in os.walk(src):
        folder = os.path.relpath(here, src)
        for name in files:
            if not name.endswith((".c", ".h", ".inc", ".def")):
                continue
            owner = rule_for(folder, rules)
            for number, line in enumerate(open(os.path.join(here, name), encoding="utf-8"), 1):
                m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
                if not m:
                    continue
                count += 1
                target = m.group(1)
                where = f"src/{folder}/{name}:{number}"
                dest = os.path.dirname(target)
                generated = not os.path.exists(os.path.join(src, target))
                if name.endswith("_test.c") and target in ("harness.h", "iem_test.h"):  # test/isa, shared by the tests of the interpreter
                    continue
                if generated and os.path.exists(os.path.join(here, target)):
                    wrong.append(f'{where}: "{target}" is not a full path from src/')
                    continue
                if target.endswith("_int.h") and dest != folder:
                    wrong.append(f'{where}: "{target}" is private to its folder')
                if not owner:
                    wrong.append(f"{where}: folder has no line in tools/layers.txt")
                    break
                if dest == folder or covered(dest, [owner]) or covered(dest, rules[owner]):
                    continue
                wrong.append(f'{where}: {owner} may not include "{target}"')
    for w in wrong:
        print(w)
    print(f"{count} includes, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
