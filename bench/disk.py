"""disk.py FOLDER ROUNDS CONTROLLER... - runs what bench/disk.sh has made, QEMU and Ringbox in turn, and prints the table.

Rates are the best of all rounds, CPU times of the machine's process the least: another program on the host can only make them worse.
"""
import os
import subprocess
import sys

DEVICES = {
    "AHCI": "-device ahci,id=c -device ide-hd,bus=c.0,drive=d",
    "VirtioBlk": "-device virtio-blk-pci,drive=d",
    "VirtioSCSI": "-device virtio-scsi-pci -device scsi-hd,drive=d",
    "NVMe": "-device nvme,serial=1,drive=d",
}
UNITS = {True: ("MB/s", "us/MiB"), False: ("requests/s", "us/request")}


def commands(folder, controller):
    cache = "writeback" if os.environ.get("HOST_CACHE", "on") == "on" else "none"
    qemu = ("qemu-system-x86_64 -accel tcg -cpu max -m 256 -display none -no-reboot -serial stdio "
            f"-drive file={folder}/boot.img,format=raw,if=ide,snapshot=on -drive file={folder}/data.img,format=raw,if=none,id=d,cache={cache} ")
    return {"qemu": (qemu + DEVICES[controller]).split(), "ringbox": ["build/bin/VBoxHeadless", "--startvm", f"{folder}/{controller}.vbox", "--serial-console"]}


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(command):
    """Figure: (rate, microseconds of CPU time per request)."""
    got, before = {}, 0.0
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as p:
        for line in p.stdout:
            words = line.split()
            if words[:1] == ["begin"]:
                before = cpu_seconds(p.pid)
            elif words[:1] == ["rate"]:
                got[words[1]] = float(words[2]), 1e6 * (cpu_seconds(p.pid) - before) / int(words[3])
    return got


def merge(best, got):
    for figure, (rate, cost) in got.items():
        old = best.get(figure, (0.0, 1e9))
        best[figure] = max(old[0], rate), min(old[1], cost)


def main():
    folder, rounds, controllers = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    with open("/proc/loadavg", encoding="ascii") as f:
        load = " ".join(f.read().split()[:3])
    print(f"host load before the run: {load}; best of {rounds}\n")
    print("| controller | figure | unit | QEMU TCG | Ringbox | Ringbox / QEMU | CPU unit | QEMU TCG | Ringbox | QEMU / Ringbox |\n|---|---|---|---|---|---|---|---|---|---|")
    for c in controllers:
        best = {"qemu": {}, "ringbox": {}}
        for _ in range(rounds):
            for who, command in commands(folder, c).items():
                merge(best[who], run(command))
        for figure, (q, q_us) in best["qemu"].items():
            r, r_us = best["ringbox"].get(figure, (0.0, float("nan")))
            unit, cost = UNITS["1M" in figure]
            print(f"| {c} | {figure} | {unit} | {q:.0f} | {r:.0f} | {r / q:.2f} | {cost} | {q_us:.1f} | {r_us:.1f} | {q_us / r_us:.2f} |", flush=True)


main()
