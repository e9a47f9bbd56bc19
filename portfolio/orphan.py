"""What a child of the supervisor begins with: `python -m portfolio.orphan FD MODULE ARGUMENT...` runs that module.

However the supervisor ends, a kill included, its end of the pipe is closed; then this process and all that it started
end too. On Linux the kernel says so besides. Knows nothing of Django: the web process's parent loads as little as it
can.
"""

import ctypes
import os
import runpy
import signal
import sys
import threading
import time

GRACE_SECONDS = 1
MARK = "KHATA_SUPERVISED"  # tells grandchildren, which the pipe does not reach
_PR_SET_PDEATHSIG = 1


def end_with_pipe(fd: int) -> None:
    """Ends the whole process group when the other end of this pipe is closed."""
    threading.Thread(target=_wait, args=(fd,), name="orphan", daemon=True).start()


def end_with_parent(how: int = signal.SIGKILL) -> None:
    """Where the kernel can: this process gets that signal when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, how, 0, 0, 0)


def _wait(fd: int) -> None:
    while os.read(fd, 1):
        pass
    _end_group()


def _end_group() -> None:
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


def _asked_to_end(*_: object) -> None:
    """Until the module has a way of its own to end: what it started would otherwise go on without it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_group()


def main() -> None:
    fd, module, *arguments = sys.argv[1:]
    signal.signal(signal.SIGTERM, _asked_to_end)
    end_with_pipe(int(fd))
    end_with_parent(signal.SIGTERM)
    os.environ[MARK] = "1"
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
