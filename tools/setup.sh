#!/usr/bin/env bash
# setup.sh product|test - installs the Debian packages that are missing, and nothing when none is.
set -euo pipefail
product="build-essential meson ninja-build pkg-config libglib2.0-dev libglib2.0-dev-bin libjson-glib-dev libxml2-dev libarchive-dev libpng-dev libseccomp-dev zlib1g-dev libzstd-dev libbz2-dev libssl-dev libiscsi-dev liburing-dev libzydis-dev libzycore-dev acpica-tools
    seabios ovmf syslinux mtools fdisk cpio grub-efi-amd64-bin grub-common xorriso libosinfo-bin osinfo-db libcrypt-dev"
tests="clang-14 clang-format-14 libclang-rt-14-dev libubsan1 libasan8 qemu-utils tgt qemu-system-x86 gdb nasm python3 bc e2fsprogs mmdebstrap debconf
    debian-installer-12-netboot-amd64 debian-installer-12-netboot-i386 isolinux memtest86+ grub-rescue-pc dmidecode systemd libglib2.0-bin"
case ${1:-product} in
product) wanted=$product ;;
test) wanted="$product $tests" ;;
*) echo "setup.sh: product or test" >&2; exit 2 ;;
esac
missing=
for package in $wanted; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo > /dev/null || { echo "Please install these packages as root, then run this again:$missing" >&2; exit 1; }
    as_root=sudo
fi
echo "Installing:$missing"
$as_root apt-get -qq update || true
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root apt-get -qq install -y --no-install-recommends $missing > /dev/null
