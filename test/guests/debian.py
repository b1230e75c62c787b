"""debian.py MACHINE - Debian boots to a shell, counts its processors, keeps its files, powers off; MACHINES says which
Debian on what hardware. The quick ones are test/guests/run-debian-*, the others test/long/debian-*."""
import re
import signal
import sys
import time

from guest import Machine, check, log_lines, main, make

BOOT_SECONDS = 420  # an interpreter on a shared machine
MACHINES = {
    "cloud": {},
    "cloud-smp": {"CPUS": 4, "reboot": True},
    "amd64": {"KERNEL": "amd64", "reboot": True},
    "amd64-smp": {"KERNEL": "amd64", "CPUS": 4, "button": True},
    "i386": {"arch": "i386", "button": True},
    "i386-smp": {"arch": "i386", "CPUS": 4},
    "efi": {"KERNEL": "amd64", "FIRMWARE": "EFI", "RAM_MIB": 512},
    "efi-hpet-smp": {"FIRMWARE": "EFI", "RAM_MIB": 512, "CPUS": 4, "HPET": "true", "KERNEL_ARGS": "quiet clocksource=hpet", "clock": "hpet"},
}


def wait_shell(m):
    m.wait_for(r"Debian .* on Ringbox: ", BOOT_SECONDS)
    m.wait_for(r"guest:\S*# ", 60)


def facts(m, cpus, machine):
    check(f"\n{cpus}\n" in m.run("nproc"), "wrong number of CPUs")
    check(machine in m.run("uname -m"), f"not {machine}")
    log = m.run("dmesg | grep -ciE 'BUG:|Oops|Call Trace|soft lockup|rcu.*stall'")
    check("\n0\n" in log, f"the kernel complains: {log}")


def sums(text):
    return re.findall(r"\b[0-9a-f]{32}\b", text)


def disk(m):
    """Reads the partition, writes a file; the sums must agree after the caches are dropped."""
    m.run("mount -o remount,rw /mnt")
    m.run("dd if=/dev/urandom of=/mnt/data bs=64k count=16 2> /dev/null; sync", 120)
    first = m.run("md5sum /mnt/data /mnt/initrd.img", 120)
    m.run("echo 3 > /proc/sys/vm/drop_caches")
    second = m.run("md5sum /mnt/data /mnt/initrd.img", 120)
    check(len(sums(first)) == 2 and sums(first) == sums(second), f"sums differ:\n{first}\n{second}")
    return sums(first)[0]


def reboots(m, data):
    m.type("sync; reboot -f\r")
    wait_shell(m)
    again = m.run("md5sum /mnt/data", 120)
    check(data in again, f"the file changed over a reboot: {data}\n{again}")


def seconds_of(m, command):
    return float(re.search(r"\n(\d+(?:\.\d+)?)\b", m.run(command)).group(1))


def keeps_time(m, source):
    """The clock the kernel was told to use goes as fast as the battery clock and never faster than the host's."""
    check(f"\n{source}\n" in m.run("cat /sys/devices/system/clocksource/clocksource0/current_clocksource"), f"the clock is not {source}")
    rows = []
    for wait in (12, 0):
        host = time.monotonic()
        guest, battery = seconds_of(m, "cat /proc/uptime"), seconds_of(m, "cat /sys/class/rtc/rtc0/since_epoch")
        rows.append((guest, battery, host, time.monotonic()))
        m.run(f"sleep {wait}")
    guest, battery = rows[1][0] - rows[0][0], rows[1][1] - rows[0][1]
    host_least, host_most = rows[1][2] - rows[0][3], rows[1][3] - rows[0][2]
    print(f"{source}: {guest:.2f} s, battery clock {battery:.0f} s, host {host_least:.2f} to {host_most:.2f} s")
    check(guest >= 12, "sleep 12 took less than 12 s of the guest's time")
    check(abs(guest - battery) < 2.5, "the guest's two clocks disagree")  # the battery clock counts whole seconds
    check(guest < host_most + 0.5, "the guest's clock is fast")


def test(name, arch="amd64", reboot=False, button=False, clock=None, **settings):
    m = Machine(make("t-" + name, arch, **settings))
    try:
        wait_shell(m)
        facts(m, settings.get("CPUS", 1), {"amd64": "x86_64", "i386": "i686"}[arch])
        data = disk(m)
        if clock:
            keeps_time(m, clock)
        if reboot:
            reboots(m, data)
        if button:
            m.signal(signal.SIGUSR2)
        else:
            m.type("poweroff -f\r")
        end = m.wait_end(60)
        check("powered off by the guest (ACPI" in end, f"it did not end through ACPI:\n{end[-800:]}")
        speed = log_lines(m, "EM: CPU")
        check(len(speed) == settings.get("CPUS", 1), "the log lacks the engine's speed")
        print("\n".join(speed))
    finally:
        m.kill()


if __name__ == "__main__":
    main(lambda: test(sys.argv[1], **MACHINES[sys.argv[1]]))
