"""debian.py - what every Debian guest of the test run has to do; the run-debian-* programs choose machine and size."""
import re
import signal

from guest import Failure, Machine, check, main, make

BOOT_SECONDS = 420  # an interpreter on a shared machine


def boot(vbox, *options):
    m = Machine(vbox, *options)
    m.wait_for(r"Debian .* on Ringbox: ", BOOT_SECONDS)
    m.wait_for(r"guest:\S*# ", 60)
    return m


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
    m.run("dd if=/dev/urandom of=/mnt/data bs=64k count=48 2> /dev/null; sync", 120)
    first = m.run("md5sum /mnt/data /mnt/vmlinuz", 120)
    m.run("echo 3 > /proc/sys/vm/drop_caches")
    second = m.run("md5sum /mnt/data /mnt/vmlinuz", 120)
    check(len(sums(first)) == 2 and sums(first) == sums(second), f"sums differ:\n{first}\n{second}")
    return sums(first)[0]


def guest(name, arch, machine, cpus, reboot=False, button=False, **settings):
    def test():
        vbox = make(name, arch, CPUS=cpus, **settings)
        m = boot(vbox)
        try:
            facts(m, cpus, machine)
            data = disk(m)
            if reboot:
                m.type("sync; reboot -f\r")
                m.wait_for(r"Debian .* on Ringbox: ", BOOT_SECONDS)
                m.wait_for(r"guest:\S*# ", 60)
                again = m.run("md5sum /mnt/data", 120)
                check(data in again, f"the file changed over a reboot: {data}\n{again}")
            if button:
                m.signal(signal.SIGUSR2)
            else:
                m.type("poweroff -f\r")
            end = m.wait_end(60)
            check("powered off by the guest (ACPI" in end, f"it did not end through ACPI:\n{end[-800:]}")
        finally:
            m.kill()

    main(test)


__all__ = ["Failure", "boot", "guest"]
