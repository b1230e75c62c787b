#!/usr/bin/env bash
# bench/storage.sh - image operations beside qemu-img, in one go: user and system seconds and elapsed ones (best of ROUNDS, default 5, of both in
# turn) and ratios; opening a 1 TiB image, new blocks, a deep chain. SIZE_MIB (default 1024) sizes the disk, half of it data. Needs a build.
# Both have the result on the disk when they end: qemu-img does that with -t writeback only. A clone is a copy in the same format; compacting
# an image half of whose blocks were overwritten with zeros stands beside qemu-img's copy of it, which leaves zeros out.
# `bench/storage.sh compact` prints the rows of compacting alone, otherwise they come first.
set -euo pipefail
what=${1:-all}
case $what in all | compact) ;; *) echo "usage: bench/storage.sh [all|compact]" >&2; exit 2 ;; esac
cd "$(dirname "$(realpath "$0")")/.."
dir=$(mktemp -d "${TMPDIR:-/tmp}/storage-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
size=$((${SIZE_MIB:-1024} << 20))
tool=build/tools/vdtool
python3 - "$dir/disk.raw" "$size" << 'PY'
import random
import sys

random.seed(1)
path, size = sys.argv[1], int(sys.argv[2])
with open(path, "wb") as f:
    f.truncate(size)
    for at in range(0, size, 2 << 20):
        f.seek(at)
        f.write(random.randbytes(1 << 19) + b"some text that packs well " * 20164)
PY

# row NAME OURS THEIRS: commands whose words have no blanks. $dir/out* is removed before each, then $PREPARE is run.
row() {
    python3 - "$dir" "${ROUNDS:-5}" "$@" << 'PY'
import glob
import os
import resource
import subprocess
import sys
import time

folder, rounds, name, commands = sys.argv[1], int(sys.argv[2]), sys.argv[3], [c.split() for c in sys.argv[4:]]
best = [[1e9, 1e9], [1e9, 1e9]]
for who in list(range(len(commands))) * rounds:
    for old in glob.glob(folder + "/out*"):
        os.unlink(old)
    subprocess.run(os.environ.get("PREPARE", "true").split(), check=True)
    os.sync()
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(commands[who], check=True, stdout=subprocess.DEVNULL)
    elapsed, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    best[who] = [min(best[who][0], cpu), min(best[who][1], elapsed)]
(a, b), (c, d) = best
print(f"| {name} | {a:.3f} | {c:.3f} | {c / a:.2f} | {b:.3f} | {d:.3f} | {d / b:.2f} |")
PY
}

compact_rows() {
    while read -r name theirs; do
        rm -f "$dir"/in*
        qemu-img convert -f raw -O "$theirs" "$dir/disk.raw" "$dir/in"
        for ((at = 0; at < size; at += 4 << 20)); do echo "write -z $at 2M"; done | qemu-io -f "$theirs" "$dir/in" > "$dir/said"
        PREPARE="cp $dir/in $dir/out" row "compact $name" "$tool compact $name $dir/out" "qemu-img convert -t writeback -f $theirs -O $theirs $dir/in $dir/out-theirs"
    done << 'ROWS'
VDI vdi
VMDK vmdk
VHD vpc
ROWS
}

echo "host load: $(cut -d' ' -f1-3 /proc/loadavg); ratio above 1: ours takes less"
echo
echo "| operation | ours CPU s | qemu-img CPU s | ratio | ours elapsed s | qemu-img elapsed s | ratio |"
echo "|---|---|---|---|---|---|---|"
compact_rows
if [ "$what" = compact ]; then exit; fi
while read -r name ours theirs layout options; do
    theirs_out="qemu-img convert -t writeback -O $theirs ${options:+-o $options}"
    row "raw to $name" "$tool convert RAW $dir/disk.raw $ours $dir/out ${layout#-}" "$theirs_out -f raw $dir/disk.raw $dir/out"
    rm -f "$dir"/in*
    $theirs_out -f raw "$dir/disk.raw" "$dir/in"
    row "$name to raw" "$tool convert $ours $dir/in RAW $dir/out" "qemu-img convert -t writeback -f $theirs -O raw $dir/in $dir/out"
    row "clone of $name" "$tool convert $ours $dir/in $ours $dir/out ${layout#-}" "$theirs_out -f $theirs $dir/in $dir/out"
done << 'ROWS'
VDI VDI vdi -
VMDK VMDK vmdk -
VHD VHD vpc - force_size=on
stream-VMDK VMDK vmdk stream subformat=streamOptimized
ROWS
rm -f "$dir"/out* "$dir"/in*
echo
$tool create VDI "$dir/big" $((1 << 40))
echo "opening an empty 1 TiB dynamic VDI: $($tool time VDI "$dir/big") ms"
build/tools/vd_speed alloc "$dir"
build/tools/vd_speed chain "$dir"
