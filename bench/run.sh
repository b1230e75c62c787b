#!/usr/bin/env bash
# bench/run.sh [FIGURE...] - hvbench natively, in QEMU's TCG and in Ringbox, with the same kernel and initramfs, in one go: a
# table of rates and ratios. SCALE (default 0.02) sizes the work. QEMU is a yardstick here, nothing else.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."
figures=${*:-loop sieve sha256 lz qsort interp call div smc nbody matmul x87 libm memcpy chase getpid clock pipe fork signal fault mprotect}
scale=${SCALE:-0.02}
dir=$PWD/build/bench-run
mkdir -p "$dir"
tools/guest/fetch-kernel amd64 "$PWD/build/guests/kernel-amd64"
kernel=$(echo build/guests/kernel-amd64/root/boot/vmlinuz-*)
gcc -O2 -static -o "$dir/hvbench" bench/hvbench.c -lm -lpthread 2> /dev/null
EXTRA="$dir/hvbench" tools/guest/mkinitramfs "$PWD/build/guests/kernel-amd64" "$dir/initramfs"
words=$(echo $figures | tr ' ' ,)
args="console=ttyS0 quiet rb.run=echo,started;cat,/proc/uptime;HVB_SCALE=$scale,hvbench,$words"
tools/guest/mkdisk "$kernel" "$dir/initramfs" "$args" "$dir/bench.img"
rm -f "$dir/bench.vdi"
build/tools/mkvdi "$dir/bench.img" "$dir/bench.vdi"
tools/guest/mkvbox "$dir/bench.vbox" bench bench.vdi

load=$(cut -d' ' -f1-3 /proc/loadavg)
# shellcheck disable=SC2086
HVB_SCALE=$scale "$dir/hvbench" $figures > "$dir/native.txt"
timed() { # NAME COMMAND...: output to NAME.txt with the seconds since start before each line
    local out=$dir/$1.txt start=$EPOCHREALTIME
    shift
    "$@" < /dev/null 2>&1 | while IFS= read -r line; do
        printf '%s %s\n' "$(echo "$EPOCHREALTIME - $start" | bc)" "$line"
    done > "$out"
}
timed qemu qemu-system-x86_64 -accel tcg -cpu max -m 256 -display none -no-reboot -serial stdio -drive "file=$dir/bench.img,format=raw,if=ide,snapshot=on"
timed ringbox build/bin/VBoxHeadless --startvm "$dir/bench.vbox" --serial-console
python3 - "$dir" "$load" << 'EOF'
import math
import os
import re
import sys

folder, load = sys.argv[1:]


def rates(name):
    found = {}
    for line in open(os.path.join(folder, name + ".txt"), encoding="utf-8", errors="replace"):
        m = re.search(r"(?:^|\s)([a-z0-9-]+)\s+([0-9.]+) (\S+)\s+sec=", line)
        if m:
            found[m.group(1)] = (float(m.group(2)), m.group(3))
    return found


def boot(name):
    for line in open(os.path.join(folder, name + ".txt"), encoding="utf-8", errors="replace"):
        if "started" in line:
            return float(line.split()[0])
    return float("nan")


native, qemu, ours = rates("native"), rates("qemu"), rates("ringbox")
print(f"host load before the run: {load}; work scaled\n")
print("| figure | unit | native | QEMU TCG | Ringbox | native / Ringbox | Ringbox / QEMU |\n|---|---|---|---|---|---|---|")
logs = []
for name in native:
    n, unit = native[name]
    q, r = qemu.get(name, (0, ""))[0], ours.get(name, (0, ""))[0]
    if q and r:
        logs.append(math.log(r / q))
    print(f"| {name} | {unit} | {n:.2f} | {q:.2f} | {r:.2f} | {n / r if r else float('nan'):.1f} | {r / q if q else float('nan'):.3f} |")
print(f"\ngeometric mean Ringbox / QEMU: {math.exp(sum(logs) / len(logs)) if logs else float('nan'):.3f}")
print(f"start to user land: QEMU {boot('qemu'):.1f} s, Ringbox {boot('ringbox'):.1f} s")
EOF
