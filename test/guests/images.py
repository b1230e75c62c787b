"""images.py - boot media of Debian packages come up, and their screens look as they did when a person looked at them."""
import os
import shutil
import subprocess
import time

import picture
from guest import GUESTS, ROOT, Failure, Machine, main


def machine(name, **settings):
    """A machine without a disk; DVD or FLOPPY name an image, which is copied: the package's own is never written."""
    folder = os.path.join(GUESTS, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for key in ("DVD", "FLOPPY"):
        if key in settings:
            settings[key] = shutil.copy(settings[key], folder)
            os.chmod(settings[key], 0o644)
    vbox = os.path.join(folder, name + ".vbox")
    env = dict(os.environ, **{k: str(v) for k, v in settings.items()})
    subprocess.run([os.path.join(ROOT, "tools/guest/mkvbox"), vbox, name, ""], env=env, check=True)
    return vbox


def wait_picture(m, golden, boxes, seconds):
    """The named boxes of the screen reach the golden fingerprint in time; the last picture stays as evidence."""
    end = time.monotonic() + seconds
    while True:
        shot = m.screenshot(30)
        try:
            seen = picture.fingerprint(shot, boxes)
        except (IndexError, AssertionError):
            seen = "another size"
        if seen == golden:
            return shot
        if time.monotonic() > end:
            raise Failure(f"{shot} has {seen}, not {golden}, after {seconds} s")
        time.sleep(1)


def looks_like(name, golden, boxes, seconds, **settings):
    def test():
        m = Machine(machine(name, **settings))
        try:
            time.sleep(3)  # a signal before the program listens would end it
            wait_picture(m, golden, boxes, seconds)
        finally:
            m.kill()

    main(test)
