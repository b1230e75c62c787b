"""installer.py - Debian's installer from its netboot package as a bootable disc, laid out as the mini.iso of Debian's archive.

The package holds kernel, initial file system and boot menu; isolinux makes a disc of them. The one thing added is that
the menu goes on by itself, for there is nobody to press a key."""
import os
import shutil
import subprocess
import time

from guest import GUESTS, Machine, main
from images import machine, wait_picture

MENU_SECONDS, DIALOGUE_SECONDS = 120, 1500


def disc(arch):
    """The path of the disc of an architecture."""
    package = f"/usr/lib/debian-installer/images/12/{arch}/text/debian-installer/{arch}"
    tree, iso = os.path.join(GUESTS, f"installer-{arch}"), os.path.join(GUESTS, f"installer-{arch}.iso")
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(package, os.path.join(tree, "debian-installer", arch))
    shutil.copy("/usr/lib/ISOLINUX/isolinux.bin", tree)
    shutil.copy(os.path.join(package, "boot-screens", "ldlinux.c32"), tree)
    with open(os.path.join(package, "pxelinux.cfg", "default"), encoding="utf-8") as f:
        config = f.read().replace("timeout 0", "timeout 300\nontimeout install")
    with open(os.path.join(tree, "isolinux.cfg"), "w", encoding="utf-8") as f:
        f.write(config)
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-o", iso, "-J", "-R", "-V", "installer", "-b", "isolinux.bin", "-c", "boot.cat",
                    "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", tree], check=True)
    shutil.rmtree(tree)
    return iso


def installer(arch, menu, dialogue):
    """Boot menu (but for its countdown) and first dialogue look as they did when a person looked at them."""
    def test():
        m = Machine(machine(f"t-installer-{arch}", DVD=disc(arch), RAM_MIB=768))
        try:
            time.sleep(3)  # a signal before the program listens would end it
            wait_picture(m, menu, [(0, 0, 640, 370)], MENU_SECONDS)
            wait_picture(m, dialogue, [(0, 0, 1024, 768)], DIALOGUE_SECONDS)
        finally:
            m.kill()

    main(test)
