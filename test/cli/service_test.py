#!/usr/bin/env python3
"""service_test.py - VBoxSVC's life: started once, ended when idle, and what is left when processes are killed."""
import os
import re
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


def ends_before_it_answers(h):
    """Who asked a process that then ends is told what there is to say of the machine."""
    machine(h)
    vm, = h.pids("VBoxHeadless")
    os.kill(vm, signal.SIGSTOP)
    client = h.popen("controlvm", "m", "pause")
    end = time.monotonic() + 60
    while "\0controlvm\0" in open(f"/proc/{client.pid}/cmdline", encoding="utf-8").read() and open(f"/proc/{client.pid}/stat", encoding="utf-8").read().split()[2] != "S":
        check(time.monotonic() < end, "the client does not wait")
    time.sleep(0.5)  # its call lies at the process, most probably; else the service says the same
    os.kill(vm, signal.SIGKILL)
    out, err = client.communicate(timeout=60)
    check(client.returncode == 1 and out == "" and err.startswith("VBoxManage: error: Machine 'm' is not currently running.\n"), out + err)
    h.wait_state("m", "aborted", 60)


def runtime_path(h, pattern):
    found = [os.path.join(d, f) for d, _, fs in os.walk(h.run_dir) for f in fs if re.fullmatch(pattern, f)]
    return found[0] if found else None


def kill_service(h):
    os.kill(h.pids("VBoxSVC")[0], signal.SIGKILL)
    h.wait_gone("VBoxSVC", 5)


def stopped_start(h):
    """A machine's process that stands still before it can be spoken to, and the client that waits for it; the service is gone."""
    for _ in range(100):
        client = h.popen("startvm", "m", "--type", "headless")
        end = time.monotonic() + 60
        while not (vm := h.pids("VBoxHeadless")):
            check(time.monotonic() < end, "nothing was started")
        os.kill(vm[0], signal.SIGSTOP)
        early = runtime_path(h, "vm-.*.sock") is None
        if early:
            kill_service(h)
        else:
            os.kill(vm[0], signal.SIGCONT)
        client.communicate(timeout=60)
        if early:
            return vm[0]
        h.ok("controlvm", "m", "poweroff")
    check(False, "the process listened before it could be stopped, a hundred times")
    return 0


def killed_while_starting(h):
    """The service dies while it starts a machine: the next one waits for the process, whatever becomes of it."""
    machine(h)
    h.ok("controlvm", "m", "poweroff")
    vm = stopped_start(h)
    check(h.info("m")["VMState"] == "starting", f"{h.info('m')['VMState']} while its process starts")
    r = h("modifyvm", "m", "--memory", "48")
    check(r.rc == 1 and "already has a lock request pending" in r.err, f"changed while it starts: {r}")
    r = h("controlvm", "m", "pause")
    check(r.rc == 1 and r.err.startswith("VBoxManage: error: "), f"paused while it starts: {r}")
    os.kill(vm, signal.SIGCONT)
    h.wait_state("m", "running", 60)
    h.ok("controlvm", "m", "poweroff")
    check(h.info("m")["VMState"] == "poweroff" and h.pids("VBoxHeadless") == [], "not off")
    vm = stopped_start(h)
    h.info("m")
    os.kill(vm, signal.SIGKILL)
    h.wait_state("m", "poweroff", 60)  # nothing ran
    vm = stopped_start(h)
    os.kill(vm, signal.SIGKILL)
    h.wait_gone("VBoxHeadless", 60)
    h.wait_state("m", "poweroff", 60)  # and nobody saw it end
    vm = stopped_start(h)
    obstacle = runtime_path(h, "vm-.*.lock")[:-4] + "sock"
    os.mkdir(obstacle)
    os.kill(vm, signal.SIGCONT)  # cannot start, and nobody hears why
    h.wait_gone("VBoxHeadless", 60)
    os.rmdir(obstacle)
    check(h.info("m")["VMState"] == "poweroff", f"a machine that never ran is {h.info('m')['VMState']}")


def ask_process(h, method, *args):
    """A call on the socket of the machine's process, by somebody who then goes away."""
    path = runtime_path(h, "vm-.*.sock")
    node = os.path.basename(path)[3:-5].replace("-", "_")
    command = ["gdbus", "call", "--address", f"unix:path={path}", "--dest", "org.virtualbox", "--object-path", f"/org/virtualbox/console/{node}",
               "--timeout", "60", "--method", f"org.virtualbox.{method}", *args]
    run = subprocess.run(command, env=h.env, capture_output=True, text=True, timeout=90, check=False)
    check(run.returncode == 0, f"{method}: {run.stdout}{run.stderr}")


def gone(path, seconds):
    end = time.monotonic() + seconds
    while os.path.exists(path):
        check(time.monotonic() < end, f"{path} is still there")
        time.sleep(0.05)


def killed_while_saving(h):
    """Whoever asked for the state goes away: the machine goes on as it was, unless the settings name the state already."""
    machine(h)
    folder = os.path.join(h.vms, "m", "Snapshots")
    state, vbox, vm = os.path.join(folder, "x.sav"), os.path.join(h.vms, "m", "m.vbox"), h.pids("VBoxHeadless")[0]
    os.makedirs(folder, exist_ok=True)
    ask_process(h, "IConsole.SaveState", state)
    gone(state, 60)
    h.wait_state("m", "running", 60)
    h.ok("controlvm", "m", "pause")
    ask_process(h, "IConsole.SaveState", state)
    gone(state, 60)
    check(h.info("m")["VMState"] == "paused", "a paused machine runs")
    h.ok("controlvm", "m", "resume")
    os.kill(vm, signal.SIGSTOP)
    client = h.popen("controlvm", "m", "savestate")
    h.wait_state("m", "saving", 60)
    kill_service(h)
    client.communicate(timeout=60)
    os.kill(vm, signal.SIGCONT)
    h.wait_state("m", "running", 60)
    check([f for f in os.listdir(folder) if ".sav" in f] == [], f"left: {os.listdir(folder)}")
    kill_service(h)
    with open(vbox, encoding="utf-8") as f:
        text = f.read()
    with open(vbox, "w", encoding="utf-8") as f:
        f.write(text.replace("<Machine ", '<Machine stateFile="Snapshots/x.sav" ', 1))
    ask_process(h, "IConsole.SaveState", state)
    h.wait_gone("VBoxHeadless", 60)
    info = h.info("m")
    check(info["VMState"] == "saved" and info["VMStateFile"] == state, f"{info['VMState']}")
    h.ok("startvm", "m", "--type", "headless")
    h.wait_state("m", "running", 60)
    gone(state, 60)


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


main(start_race, stale_files, no_inherited_descriptors, service_killed, machine_killed, ends_before_it_answers, killed_while_starting, killed_while_saving, common_tools)
