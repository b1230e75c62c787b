#!/usr/bin/env bash
# bench/disk.sh [CONTROLLER...] - a raw disk on AHCI, VirtioBlk (or VirtioSCSI, NVMe) in a Debian guest, in QEMU's TCG and in Ringbox in turn, with
# the same kernel and file: sequential and 4 KiB random rates of bench/disk_rate.c, and what a request costs the host. ROUNDS (default 2) of
# SECONDS_EACH (default 2) for each figure; FIGURES "read-4k write-4k" are all there is to measure, if only some are wanted.
# HOST_CACHE=off: past the host's cache, in QEMU too (cache=none).
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."
dir=$PWD/build/bench-disk
mib=200
figures=${FIGURES:+,${FIGURES// /,}}
mkdir -p "$dir"
gcc -O2 -static -o "$dir/disk_rate" bench/disk_rate.c -lpthread
tools/guest/fetch-kernel amd64 "$PWD/build/guests/kernel-amd64"
EXTRA="$dir/disk_rate" tools/guest/mkinitramfs "$PWD/build/guests/kernel-amd64" "$dir/initramfs"
tools/guest/mkdisk build/guests/kernel-amd64/root/boot/vmlinuz-* "$dir/initramfs" "console=ttyS0 quiet rb.run=disk_rate,$mib,${SECONDS_EACH:-2}$figures" "$dir/boot.img"
dd if=/dev/urandom of="$dir/data.img" bs=1M count=$mib status=none # no holes: only the way of the data is measured
for c in ${*:-AHCI VirtioBlk}; do
    DISK2=data.img CONTROLLER2=$c tools/guest/mkvbox "$dir/$c.vbox" "$c" boot.img
done
exec python3 bench/disk.py "$dir" "${ROUNDS:-2}" ${*:-AHCI VirtioBlk}
