#!/usr/bin/env bash
# run.sh - everything from a fresh Debian 12 to a running guest: installs what is missing, builds, makes a demo guest and
# boots it in this terminal.   --setup  installs and builds only   --i386  the 32-bit guest   --help
set -euo pipefail
cd "$(dirname "$(realpath "$0")")"
guest=amd64 setup_only=
for arg in "$@"; do
    case $arg in
    --setup) setup_only=1 ;;
    --i386) guest=i386 ;;
    --help | -h) sed -n '2,3s/^# //p' "$0"; exit 0 ;;
    *) echo "run.sh: unknown option '$arg'; try --help" >&2; exit 2 ;;
    esac
done

tools/setup.sh product
[ -f build/build.ninja ] || meson setup build > build-setup.log 2>&1 || { cat build-setup.log >&2; exit 1; }
rm -f build-setup.log
ninja -C build --quiet > build/compile.log 2>&1 || { grep -v '^\[' build/compile.log | tail -n 40 >&2; exit 1; }
[ -z "$setup_only" ] || { echo "Built. The programs are in $PWD/build/bin/."; exit 0; }

tools/guest/demo "$guest" build/guests
echo "Starting the demo guest; Ctrl-] q leaves it."
exec build/bin/VBoxHeadless --startvm "build/guests/demo-$guest/demo-$guest.vbox" --serial-console
