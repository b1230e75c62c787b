#!/usr/bin/env python3
"""live_test.py - controlvm on a running machine: what changes at once, what a missing part says, exit codes."""
import os
import stat

from golden import com_error, same, syntax_error
from manage import check, main


def start(h):
    h.ok("createvm", "--name", "m", "--register")
    h.ok("modifyvm", "m", "--memory", "32", "--vram", "8", "--nic1", "nat", "--nic2", "null")
    h.ok("startvm", "m", "--type", "headless")
    h.wait_state("m", "running", 20)


def settings_change(h):
    start(h)
    for words in (("natpf1", "ssh,tcp,127.0.0.1,2222,,22"), ("setlinkstate1", "off"), ("nic2", "intnet", "lab"), ("nicpromisc1", "allow-all"),
                  ("clipboard", "mode", "bidirectional"), ("clipboard", "filetransfers", "on"), ("draganddrop", "hosttoguest"), ("vrde", "on"),
                  ("vrdeport", "5010"), ("vrdeproperty", "VNCPassword=x"), ("cpuexecutioncap", "50"), ("audioin", "on"),
                  ("changeuartmode1", "file", "/tmp/u"), ("vm-process-priority", "low"), ("autostart-enabled", "on"), ("recording", "videores", "640x480"),
                  ("guestmemoryballoon", "0")):
        r = h("controlvm", "m", *words)
        same((words, r.rc, r.out, r.err), (words, 0, "", ""))
    wanted = {"intnet2": "lab", "Forwarding(0)": "ssh,tcp,127.0.0.1,2222,,22", "cableconnected1": "off", "clipboard": "bidirectional", "draganddrop": "hosttoguest",
              "vrde": "on", "vrdeports": "5010", "cpuexecutioncap": "50", "vmprocpriority": "low", "autostart-enabled": "on"}
    i = h.info("m")
    for key, val in wanted.items():
        check(i.get(key) == val, f"{key} is {i.get(key)!r}, not {val!r}")
    com_error(h("controlvm", "m", "natpf1", "ssh,tcp,,1,,1"), "A NAT rule of this name already exists", "E_INVALIDARG (0x80070057)",
              "NATEngineWrap", "INATEngine")
    h.ok("controlvm", "m", "natpf1", "delete", "ssh")
    com_error(h("modifyvm", "m", "--memory", "64"), "The machine 'm' is already locked for a session (or being unlocked)",
              "VBOX_E_INVALID_OBJECT_STATE (0x80bb0007)", "MachineWrap", "IMachine")
    h.ok("controlvm", "m", "poweroff")
    check("Forwarding(0)" not in h.info("m") and h.info("m")["vrdeports"] == "5010", "not kept")


def missing_parts(h):
    start(h)
    for words, method in ((("setvideomodehint", "800", "600", "32"), "SetVideoModeHint"), (("plugcpu", "1"), "PlugCPU"),
                          (("setscreenlayout", "0", "primary", "0", "0", "800", "600", "32", "1", "off"), "SetScreenLayout"),
                          (("recording", "start", "--wait"), "RecordingStart"), (("recording", "stop"), "RecordingStop"),
                          (("usbattach", "x"), "AttachUSBDevice"), (("webcam", "list"), "GetWebcams"), (("reboot",), "GuestShutdown"),
                          (("setcredentials", "u", "p", "d"), "SetCredentials")):
        r = h("controlvm", "m", *words)
        check(r.rc == 1 and f"This virtual machine has nothing that could carry out {method}\n" in r.err and "NS_ERROR_NOT_IMPLEMENTED (0x80004001)" in r.err, repr(r))
    syntax_error(h("controlvm", "m", "frob"), "Invalid parameter 'frob'")
    syntax_error(h("controlvm", "m", "setscreenlayout", "0", "on", "1"), "Incorrect arguments to 'setscreenlayout'")
    syntax_error(h("controlvm", "m", "setscreenlayout", "0"), "Incorrect number of parameters.")
    syntax_error(h("controlvm", "m", "recording", "start", "now"), "Invalid parameter 'now'")
    syntax_error(h("controlvm", "m", "teleport", "--host", "x", "--port", "1", "--timeout", "soon"), "Invalid value 'soon' for option '--timeout': a number")
    syntax_error(h("controlvm", "m", "setlinkstate1"), "Missing argument to 'setlinkstate1'")
    syntax_error(h("controlvm", "m", "setlinkstate", "on"), "Invalid parameter 'setlinkstate'")
    h.ok("sharedfolder", "add", "m", "--name", "t", "--hostpath", h.top, "--transient")
    same(h.info("m")["SharedFolderPathTransientMapping1"], h.top)
    h.ok("guestproperty", "set", "m", "/t", "x", "--flags", "TRANSIENT")
    h.ok("controlvm", "m", "poweroff", "--type", "headless")  # words too many are ignored
    check("SharedFolderPathTransientMapping1" not in h.info("m"), "a transient folder outlived the machine")
    same(h.ok("guestproperty", "get", "m", "/t"), "No value set!\n")


def unavailable_parts(h):
    h.ok("createvm", "--name", "m", "--register")
    h.ok("modifyvm", "m", "--memory", "32", "--vram", "8", "--nic1", "nat", "--nictype1", "virtio", "--audio-enabled", "on", "--tpm-type", "2.0")
    r = h("startvm", "m", "--type", "headless")
    same((r.rc, r.err), (0, ""))
    with open(f"{h.vms}/m/Logs/VBox.log", encoding="utf-8") as f:
        said = [line for line in f if "not available" in line]
    check(len(said) == 1 and said[0].endswith("Console: not available on this machine: network adapter 1 (virtio, NAT), sound card, TPM\n"), said)
    h.ok("controlvm", "m", "poweroff")


def picture_to_no_file(h):
    """A picture goes through a link, to a pipe; neither is replaced by a file."""
    link, pipe = os.path.join(h.top, "link"), os.path.join(h.top, "pipe")
    os.mkfifo(pipe)
    os.symlink(pipe, link)
    start(h)
    with h.popen("controlvm", "m", "screenshotpng", link) as run:
        with open(pipe, "rb") as f:
            check(f.read().startswith(b"\x89PNG\r\n"), "no picture")
        check(run.wait(30) == 0, run.stderr.read())
    check(os.path.islink(link) and stat.S_ISFIFO(os.stat(link).st_mode), "the link, or the pipe, has become a file")
    r = h("controlvm", "m", "screenshotpng", h.top)
    check(r.rc == 1 and r.err.endswith(": Is a directory\n"), r)
    h.ok("controlvm", "m", "poweroff")


main(settings_change, missing_parts, unavailable_parts, picture_to_no_file)
