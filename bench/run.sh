#!/usr/bin/env bash
# bench/run.sh [FIGURE...] - hvbench natively, in QEMU's TCG and in Ringbox (the recompiler alone, and with raw mode), with the same kernel and
# initramfs, in one go: a table of rates and ratios, and one of boots; a third boot has the interpreter alone, which counts its instructions. SCALE
# (default 0.02) sizes the work, SETTLED (default 5) times as much of it is done for raw mode alone, which takes a while to settle; BOOTS (default "cloud amd64") names the kernels to boot; FIGURE none: boots only. QEMU is a yardstick here, nothing else.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."
figures=${*:-loop sieve sha256 lz qsort interp call div smc nbody matmul x87 libm memcpy chase getpid clock pipe fork signal fault mprotect}
scale=${SCALE:-0.02}
boots=${BOOTS:-cloud amd64}
settled=$(echo "$scale * ${SETTLED:-5}" | bc)
dir=$PWD/build/bench-run
mkdir -p "$dir"
gcc -O2 -static -o "$dir/hvbench" bench/hvbench.c -lm -lpthread 2> /dev/null

guest() { # NAME KERNEL COMMAND-WITH-COMMAS: NAME.img and the machine NAME.vbox
    tools/guest/fetch-kernel "$2" "$PWD/build/guests/kernel-$2"
    EXTRA="$dir/hvbench" tools/guest/mkinitramfs "$PWD/build/guests/kernel-$2" "$dir/initramfs"
    tools/guest/mkdisk "build/guests/kernel-$2"/root/boot/vmlinuz-* "$dir/initramfs" "console=ttyS0 quiet rb.run=echo,started;$3" "$dir/$1.img"
    rm -f "$dir/$1.vdi"
    build/tools/mkvdi "$dir/$1.img" "$dir/$1.vdi"
    tools/guest/mkvbox "$dir/$1.vbox" "$1" "$1.vdi"
}
timed() { # NAME COMMAND...: output to NAME.txt with the seconds since start before each line
    local out=$dir/$1.txt start=$EPOCHREALTIME
    shift
    "$@" < /dev/null 2>&1 | while IFS= read -r line; do
        printf '%s %s\n' "$(echo "$EPOCHREALTIME - $start" | bc)" "$line"
    done > "$out"
}
both() { # NAME: the guest in QEMU and in Ringbox
    timed "$1-qemu" qemu-system-x86_64 -accel tcg -cpu max -m 256 -display none -no-reboot -serial stdio -drive "file=$dir/$1.img,format=raw,if=ide,snapshot=on"
    timed "$1-ringbox" build/bin/VBoxHeadless --startvm "$dir/$1.vbox" --serial-console --raw-mode off
}
interpreted() { # NAME: the guest in Ringbox without the recompiler
    sed 's|<Hardware>|<ExtraData><ExtraDataItem name="VBoxInternal/EM/RecompilerHeat" value="0"/></ExtraData>&|' "$dir/$1.vbox" > "$dir/$1-iem.vbox"
    timed "$1-iem" build/bin/VBoxHeadless --startvm "$dir/$1-iem.vbox" --serial-console --raw-mode off
    cp "$dir/Logs/VBox.log" "$dir/$1-iem.log"
}

load=$(cut -d' ' -f1-3 /proc/loadavg)
for kernel in $boots; do
    guest "boot-$kernel" "$kernel" true
    both "boot-$kernel"
    interpreted "boot-$kernel"
done
rm -f "$dir/native.txt" "$dir/settled.txt"
if [ "$figures" != none ]; then
    guest bench cloud "HVB_SCALE=$scale,hvbench,${figures// /,}"
    # shellcheck disable=SC2086
    HVB_SCALE=$scale "$dir/hvbench" $figures > "$dir/native.txt"
    both bench
    timed bench-raw build/bin/VBoxHeadless --startvm "$dir/bench.vbox" --serial-console --raw-mode on
    RAM_MIB=1024 guest settled cloud "HVB_SCALE=$settled,hvbench,${figures// /,}"
    # shellcheck disable=SC2086
    HVB_SCALE=$settled "$dir/hvbench" $figures > "$dir/settled.txt"
    timed settled-raw build/bin/VBoxHeadless --startvm "$dir/settled.vbox" --serial-console --raw-mode on
fi
python3 - "$dir" "$load" "$boots" << 'EOF'
import math
import os
import re
import sys

folder, load, kernels = sys.argv[1:]


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


def speed(name):
    """Millions of guest instructions and of them per second of the vCPU's CPU time, from the log's line at power-off."""
    log = open(os.path.join(folder, name + ".log"), encoding="utf-8", errors="replace").read()
    m = re.search(r"EM: CPU0: (\d+) million guest instructions in [0-9.]+ s of host CPU time: ([0-9.]+) million/s", log)
    return float(m.group(1)), float(m.group(2))


print(f"host load before the run: {load}; work scaled\n")
print("| boot to user land | QEMU TCG, s | Ringbox, s | interpreter alone, s | guest instructions, M | M/s of CPU time |\n|---|---|---|---|---|---|")
for kernel in kernels.split():
    insns, rate = speed(f"boot-{kernel}-iem")
    times = [f"{boot(f'boot-{kernel}-{how}'):.1f}" for how in ("qemu", "ringbox", "iem")]
    print(f"| {kernel} | {' | '.join(times)} | {insns:.0f} | {rate:.1f} |")
if not os.path.exists(os.path.join(folder, "native.txt")):
    sys.exit()
native, qemu, ours, raw = rates("native"), rates("bench-qemu"), rates("bench-ringbox"), rates("bench-raw")
print("\n| figure | unit | native | QEMU TCG | Ringbox | with raw mode | native / Ringbox | native / raw | Ringbox / QEMU | raw / QEMU |\n"
      "|---|---|---|---|---|---|---|---|---|---|")
CPU = set("loop sieve sha256 lz qsort interp call div smc nbody matmul x87 libm memcpy chase".split())
slower, ahead = {}, {}  # of a group and an engine: native / ours, ours / TCG


def ratio(a, b):
    return a / b if b else float("nan")


for name in native:
    n, unit = native[name]
    q, r, w = (place.get(name, (0, ""))[0] for place in (qemu, ours, raw))
    group = "CPU figures" if name in CPU else "OS paths"
    for engine, rate in (("", r), (" with raw mode", w)):
        if q and rate:
            slower.setdefault(group + engine, []).append(n / rate)
            ahead.setdefault(group + engine, []).append(rate / q)
    print(f"| {name} | {unit} | {n:.2f} | {q:.2f} | {r:.2f} | {w:.2f} | {ratio(n, r):.2f} | {ratio(n, w):.2f} | {ratio(r, q):.2f} | {ratio(w, q):.2f} |")


def mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


native, raw = rates("settled"), rates("settled-raw")
settled = {name: native[name][0] / raw[name][0] for name in native if name in CPU and name in raw}
print("\n| raw mode settled: more of the same work | unit | native | with raw mode | native / raw |\n|---|---|---|---|---|")
for name in settled:
    print(f"| {name} | {native[name][1]} | {native[name][0]:.2f} | {raw[name][0]:.2f} | {settled[name]:.2f} |")
print()
if settled:
    print(f"CPU figures with raw mode settled, geometric mean: native / Ringbox {mean(settled.values()):.2f} (worst {max(settled.values()):.1f})")
for group in slower:
    print(f"{group}, geometric means: native / Ringbox {mean(slower[group]):.2f} (worst {max(slower[group]):.1f}), Ringbox / QEMU {mean(ahead[group]):.2f} (worst {min(ahead[group]):.2f})")
EOF
