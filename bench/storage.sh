#!/usr/bin/env bash
# bench/storage.sh - image operations beside qemu-img, in one go: user and system seconds (best of 3) and ratios; opening a
# 1 TiB image, new blocks, a deep chain. SIZE_MIB (default 1024) sizes the disk, half of it data. Needs a build.
set -euo pipefail
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

# seconds COMMAND...: the best of three of user plus system and of elapsed time; $dir/out is removed before each
seconds() {
    python3 - "$dir" "$@" << 'PY'
import glob
import os
import resource
import subprocess
import sys
import time

folder, command = sys.argv[1], sys.argv[2:]
best = [1e9, 1e9]
for _ in range(3):
    for name in glob.glob(folder + "/out*"):
        os.unlink(name)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    elapsed = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    best = [min(best[0], cpu), min(best[1], elapsed)]
print("%.3f %.3f" % tuple(best))
PY
}

row() { # NAME OURS-SECONDS THEIRS-SECONDS, each "cpu elapsed"
    local a b c d
    read -r a b <<< "$2"
    read -r c d <<< "$3"
    printf '| %s | %s | %s | %.2f | %s | %s | %.2f |\n' "$1" "$a" "$c" "$(echo "$c / $a" | bc -l)" "$b" "$d" "$(echo "$d / $b" | bc -l)"
}

echo "host load: $(cut -d' ' -f1-3 /proc/loadavg); ratio above 1: ours takes less"
echo
echo "| operation | ours CPU s | qemu-img CPU s | ratio | ours elapsed s | qemu-img elapsed s | ratio |"
echo "|---|---|---|---|---|---|---|"
while read -r name ours theirs layout options; do
    row "raw to $name" "$(seconds $tool convert RAW "$dir/disk.raw" "$ours" "$dir/out" ${layout#-})" \
        "$(seconds qemu-img convert -f raw -O "$theirs" ${options:+-o $options} "$dir/disk.raw" "$dir/out")"
    rm -f "$dir"/in*
    qemu-img convert -f raw -O "$theirs" ${options:+-o $options} "$dir/disk.raw" "$dir/in"
    row "$name to raw" "$(seconds $tool convert "$ours" "$dir/in" RAW "$dir/out")" \
        "$(seconds qemu-img convert -f "$theirs" -O raw "$dir/in" "$dir/out")"
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
