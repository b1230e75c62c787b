#!/usr/bin/env python3
"""headers.py BUILD_DIR SOURCE_ROOT - compiles every header under src/ alone, twice, with the project's own flags."""
import json
import os
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor


def flags(build):
    for entry in json.load(open(os.path.join(build, "compile_commands.json"), encoding="utf-8")):
        if entry["file"].endswith(".c") and "/src/" in os.path.abspath(os.path.join(entry["directory"], entry["file"])):
            words = shlex.split(entry["command"])
            keep = [w for w in words if w.startswith(("-I", "-D", "-std", "-isystem"))]
            compiler = next(w for w in words if os.path.basename(w) not in ("ccache",))
            return compiler, keep, entry["directory"]
    raise SystemExit("headers: no C file in compile_commands.json")


def check(job):
    compiler, keep, cwd, src, header = job
    with tempfile.NamedTemporaryFile("w", suffix=".c") as f:
        f.write(f'#include "{header}"\n#include "{header}"\n')
        f.flush()
        run = subprocess.run([compiler, *keep, "-I" + src, "-Wall", "-Wextra", "-Werror", "-Wno-unused", "-fsyntax-only", f.name], cwd=cwd, capture_output=True, text=True, check=False)
    return header, run.returncode, run.stderr


def main():
    build, root = sys.argv[1:3]
    src = os.path.join(os.path.abspath(root), "src")
    compiler, keep, cwd = flags(build)
    headers = sorted(os.path.relpath(os.path.join(d, f), src) for d, _, fs in os.walk(src) for f in fs if f.endswith(".h"))
    bad = 0
    with ThreadPoolExecutor(2) as pool:
        for header, rc, text in pool.map(check, [(compiler, keep, cwd, src, h) for h in headers]):
            if rc:
                bad += 1
                print(f"{header} does not stand alone:\n{text}")
    print(f"{len(headers)} headers, {bad} not standing alone")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
