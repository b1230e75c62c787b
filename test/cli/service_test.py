#!/usr/bin/env python3
"""service_test.py - VBoxSVC's life: started once, ended when idle, and what is left when processes are killed."""
import os
import signal
import subprocess
import time

from manage import BIN, check, main


def start_race(h):
    """32 clients at once: one service, all answered."""
    clients = [h.popen("list", "vms") for _ in range(32)]
    for c in clients:
        out, err = c.communicate(timeout=60)
        check(c.returncode == 0 and out == "" and err == "", f"{c.returncode} {out} {err}")
    check(len(h.pids("VBoxSVC")) == 1, f"services: {h.pids('VBoxSVC')}")
    h.wait_gone("VBoxSVC", 9)
    check(h.runtime_files() == [], f"left behind: {h.runtime_files()}")


def stale_files(h):
    """Socket and locks of a service that was killed are no obstacle."""
    for _ in range(5):
        h.ok("list", "vms")
        os.kill(h.pids("VBoxSVC")[0], signal.SIGKILL)
        h.wait_gone("VBoxSVC", 5)
    h.ok("list", "vms")
    check(len(h.pids("VBoxSVC")) == 1, "not one service")


def no_inherited_descriptors(h):
    """Whoever reads VBoxManage's output to its end does not wait for the service."""
    started = time.monotonic()
    subprocess.run(f"'{BIN}/VBoxManage' list vms 7>&1 | cat", shell=True,
                   env=h.env, check=True, timeout=30)
    check(time.monotonic() - started < 4, "the pipe stayed open")


def machine(h):
    h.ok("createvm", "--name", "m", "--register")
    h.ok("modifyvm", "m", "--memory", "64", "--nic1", "none", "--mouse", "ps2")
    check("successfully started" in h.ok("startvm", "m", "--type", "headless"), "startvm")


def service_killed(h):
    """The machine runs on; the next service finds it, and it can still be controlled."""
    machine(h)
    vm = h.pids("VBoxHeadless")
    for _ in range(3):
        os.kill(h.pids("VBoxSVC")[0], signal.SIGKILL)
        h.wait_gone("VBoxSVC", 5)
        check(h.pids("VBoxHeadless") == vm, "the machine's process is gone")
        state = h.info("m")["VMState"]
        check(state == "running", f"not adopted: {state}")
    h.ok("controlvm", "m", "pause")
    check(h.info("m")["VMState"] == "paused", "not paused")
    h.ok("controlvm", "m", "poweroff")
    check(h.info("m")["VMState"] == "poweroff" and h.pids("VBoxHeadless") == [], "not off")
    h.wait_gone("VBoxSVC", 9)
    check(h.runtime_files() == [], f"left behind: {h.runtime_files()}")


def waited_s(pid):
    """Seconds all threads of a process have been ready to run without a CPU."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[1])
    return total / 1e9


def machine_killed(h):
    """Aborted within a second, in which the time the service waited for a CPU does not count; also when no service was there to see it."""
    machine(h)
    service = h.pids("VBoxSVC")[0]
    os.kill(h.pids("VBoxHeadless")[0], signal.SIGKILL)
    h.wait_gone("VBoxHeadless", 5)
    gone, starved = time.monotonic(), waited_s(service)
    while True:
        asked = time.monotonic()
        late = asked - gone - (waited_s(service) - starved)
        if h.info("m")["VMState"] == "aborted":
            break
        check(late < 1, f"not aborted {late:.1f} s after the machine's process had gone")
    h.ok("startvm", "m")
    os.kill(h.pids("VBoxSVC")[0], signal.SIGKILL)
    os.kill(h.pids("VBoxHeadless")[0], signal.SIGKILL)
    h.wait_gone("VBoxHeadless", 5)
    check(h.info("m")["VMState"] == "aborted", "not aborted")
    h.ok("startvm", "m")
    os.kill(h.pids("VBoxSVC")[0], signal.SIGKILL)
    os.kill(h.pids("VBoxHeadless")[0], signal.SIGTERM)  # ends in good order
    h.wait_gone("VBoxHeadless", 5)
    check(h.info("m")["VMState"] == "poweroff", "not off")


def common_tools(h):
    """busctl and gdbus find their way on the private socket."""
    machine(h)
    socket = [os.path.join(d, f) for d, _, fs in os.walk(h.run_dir) for f in fs if f == "svc.sock"][0]
    address = f"unix:path={socket}"
    for command in (["gdbus", "call", "--address", address, "--dest", "org.virtualbox", "--object-path", "/org/virtualbox/VirtualBox",
                     "--method", "org.virtualbox.IVirtualBox.GetMachines"],
                    ["busctl", f"--address={address}", "call", "org.virtualbox", "/org/virtualbox/VirtualBox",
                     "org.virtualbox.IVirtualBox", "GetMachines"]):
        run = subprocess.run(command, env=h.env, capture_output=True, text=True, timeout=30, check=False)
        check(run.returncode == 0 and "'m'" in run.stdout.replace('"', "'"), f"{command[0]}: {run.stdout}{run.stderr}")


main(start_race, stale_files, no_inherited_descriptors, service_killed, machine_killed, common_tools)
