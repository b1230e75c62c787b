#!/usr/bin/env bash
# bench/disk.sh [CONTROLLER...] - a raw disk on AHCI, VirtioBlk (or VirtioSCSI, NVMe) in a Debian guest, in QEMU's TCG and in Ringbox, with
# the same kernel and file: sequential and 4 KiB random rates of bench/disk_rate.c. SECONDS_EACH (default 2) for each figure.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."
controllers=${*:-AHCI VirtioBlk}
dir=$PWD/build/bench-disk
mib=200
mkdir -p "$dir"
gcc -O2 -static -o "$dir/disk_rate" bench/disk_rate.c -lpthread
tools/guest/fetch-kernel amd64 "$PWD/build/guests/kernel-amd64"
EXTRA="$dir/disk_rate" tools/guest/mkinitramfs "$PWD/build/guests/kernel-amd64" "$dir/initramfs"
tools/guest/mkdisk build/guests/kernel-amd64/root/boot/vmlinuz-* "$dir/initramfs" "console=ttyS0 quiet rb.run=disk_rate,$mib,${SECONDS_EACH:-2}" "$dir/boot.img"
dd if=/dev/urandom of="$dir/data.img" bs=1M count=$mib status=none # no holes: only the way of the data is measured
declare -A device=(
    [AHCI]="-device ahci,id=c -device ide-hd,bus=c.0,drive=d" [VirtioBlk]="-device virtio-blk-pci,drive=d"
    [VirtioSCSI]="-device virtio-scsi-pci -device scsi-hd,drive=d" [NVMe]="-device nvme,serial=1,drive=d")
load=$(cut -d' ' -f1-3 /proc/loadavg)
for c in $controllers; do
    DISK2=data.img CONTROLLER2=$c tools/guest/mkvbox "$dir/$c.vbox" "$c" boot.img
    build/bin/VBoxHeadless --startvm "$dir/$c.vbox" --serial-console < /dev/null > "$dir/$c-ringbox.txt" 2>&1
    # shellcheck disable=SC2086
    qemu-system-x86_64 -accel tcg -cpu max -m 256 -display none -no-reboot -serial stdio -drive "file=$dir/boot.img,format=raw,if=ide,snapshot=on" \
        -drive "file=$dir/data.img,format=raw,if=none,id=d,cache=writeback" ${device[$c]} < /dev/null > "$dir/$c-qemu.txt" 2>&1
done
python3 - "$dir" "$load" "$controllers" << 'EOF'
import re
import sys

folder, load, controllers = sys.argv[1:]


def rates(name):
    text = open(f"{folder}/{name}.txt", encoding="utf-8", errors="replace").read()
    return {k: float(v) for k, v in re.findall(r"rate (\S+) ([0-9.]+)", text)}


print(f"host load before the run: {load}\n")
print("| controller | figure | unit | QEMU TCG | Ringbox | Ringbox / QEMU |\n|---|---|---|---|---|---|")
for c in controllers.split():
    qemu, ours = rates(c + "-qemu"), rates(c + "-ringbox")
    for figure, q in qemu.items():
        r = ours.get(figure, float("nan"))
        print(f"| {c} | {figure} | {'MB/s' if '1M' in figure else 'requests/s'} | {q:.0f} | {r:.0f} | {r / q:.2f} |")
EOF
