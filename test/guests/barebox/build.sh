#!/bin/sh
# build.sh - barebox.img from its sources: CC OUT SRCDIR. The image is a boot sector and the payload behind it.
set -eu
cc=$1 out=$2 src=$3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
flags='-m32 -march=i686 -O1 -ffreestanding -fno-pic -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables
 -mgeneral-regs-only -fcf-protection=none -fno-builtin -Wall -Wextra -Werror'
wide='-m64 -O1 -ffreestanding -fno-pic -fno-pie -mcmodel=small -mno-red-zone -fno-stack-protector
 -fno-asynchronous-unwind-tables -mgeneral-regs-only -fcf-protection=none -fno-builtin -Wall -Wextra -Werror'
objs=
for f in wide.S wide_main.c wide_call.c wide_debug.c wide_memory.c wide_register.c; do
    $cc $wide -c "$src/$f" -o "$tmp/$f.o"
    objs="$objs $tmp/$f.o"
done
ld --no-warn-rwx-segments -m elf_x86_64 -T "$src/wide.ld" -o "$tmp/wide.elf" $objs
objcopy -O binary -j .wide "$tmp/wide.elf" "$tmp/wide.bin"
objs=
for f in boot.S trap.S longmode.S main.c xcpt.c seg.c gate.c task.c v86.c debug.c code.c page.c event.c long.c wide_blob.S; do
    $cc $flags -Wa,-I"$tmp" -c "$src/$f" -o "$tmp/$f.o"
    objs="$objs $tmp/$f.o"
done
ld --no-warn-rwx-segments -m elf_i386 -T "$src/barebox.ld" -o "$tmp/barebox.elf" $objs
objcopy -O binary -j .boot "$tmp/barebox.elf" "$tmp/boot"
objcopy -O binary -j .payload "$tmp/barebox.elf" "$tmp/payload"
[ "$(stat -c %s "$tmp/payload")" -le 98304 ] || { echo "barebox: the payload exceeds what the boot sector loads" >&2; exit 1; }
cat "$tmp/boot" "$tmp/payload" > "$out"
truncate -s 1474560 "$out"
