#!/usr/bin/env bash
# test.sh - installs what the tests need, builds with both compilers and with sanitizers, runs every test.
#   --long    also the campaigns that take more than a minute each     --quick  gcc build only, no guests
# The last line is "N passed, N failed"; the exit status is 0 only if nothing failed.
set -uo pipefail
cd "$(dirname "$(realpath "$0")")"
long= quick=
for arg in "$@"; do
    case $arg in
    --long) long=1 ;;
    --quick) quick=1 ;;
    --help | -h) sed -n '2,4s/^# //p' "$0"; exit 0 ;;
    *) echo "test.sh: unknown option '$arg'; try --help" >&2; exit 2 ;;
    esac
done
tools/setup.sh test || exit 1
passed=0 failed=0 failures=

# check NAME COMMAND... : one line of result; the output is shown if it fails
check() {
    local name=$1 log started=$SECONDS
    shift
    log=$(mktemp)
    if "$@" > "$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok    $name ($((SECONDS - started)) s)"
    else
        failed=$((failed + 1))
        failures="$failures $name"
        echo "FAIL  $name ($((SECONDS - started)) s)"
        tail -n 60 "$log" | sed 's/^/      /'
    fi
    rm -f "$log"
}

# suite NAME BUILD_DIR : meson's tests of one build, each counted
suite() {
    local dir=$2 log
    log=$(mktemp)
    meson test -C "$dir" --no-rebuild --num-processes 2 --print-errorlogs > "$log" 2>&1
    local ok bad
    ok=$(sed -n 's/^Ok: *//p' "$log") bad=$(awk '/^(Fail|Timeout|Unexpected Pass): / {n += $NF} END {print n + 0}' "$log")
    [ -n "$ok" ] || { ok=0 bad=1; }
    passed=$((passed + ok)) failed=$((failed + bad))
    echo "$1: $ok passed, $bad failed"
    [ "$bad" = 0 ] || { failures="$failures $1"; grep -vE '^\[|^ *[0-9]+/[0-9]+ .* OK ' "$log" | tail -n 120 | sed 's/^/      /'; }
    rm -f "$log"
}

build() { # DIR OPTIONS...
    local dir=$1
    shift
    [ -f "$dir/build.ninja" ] || meson setup "$dir" -Dwerror=true "$@" || return 1
    ninja -C "$dir"
}

check "build with gcc" build build
suite "tests (gcc)" build
check "layers: no include points up" python3 tools/layers.py .
check "headers stand alone" python3 tools/headers.py build .
check "layout is clang-format's" tools/format-check
if [ -z "$quick" ]; then
    CC=clang-14 check "build with clang" build build-clang
    check "build with ASan and UBSan" build build-asan -Db_sanitize=address,undefined -Db_lundef=false
    suite "tests (ASan, UBSan)" build-asan
    for t in test/guests/run-*; do
        [ -x "$t" ] && check "guest: ${t##*/run-}" "$t"
    done
fi
if [ -n "$long" ]; then
    for t in test/long/*; do
        [ -x "$t" ] && check "long: ${t##*/}" "$t"
    done
fi
[ -z "$failures" ] || echo "Failed:$failures"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
