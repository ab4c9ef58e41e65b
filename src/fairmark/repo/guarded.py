"""Have a guardian watch this process, so that nothing that it starts outlives it."""

import os
import secrets
import select
import subprocess
import sys
import threading

from fairmark.repo import guardian


class _Watch:
    """The guardian of this process, started when first needed, and again should it have been killed."""

    def __init__(self) -> None:
        self.mark = f"FAIRMARK_FLOW_{secrets.token_hex(8)}"
        self.lock = threading.Lock()
        self._pipe: int | None = None

    def alive(self) -> bool:
        if self._pipe is None:
            return False
        poll = select.poll()
        poll.register(self._pipe, 0)
        return not poll.poll(0)  # a writer is told when nobody reads any more

    def start(self) -> None:
        self.forget()
        read, self._pipe = os.pipe()  # which no child inherits
        try:
            command = [sys.executable, "-I", "-S", guardian.__file__, self.mark]
            subprocess.run(command, stdin=read, env={}, cwd="/", check=True, start_new_session=True)
        finally:
            os.close(read)

    def forget(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
        self._pipe = None


_WATCH = _Watch()
os.register_at_fork(after_in_child=_WATCH.forget)  # a fork must not keep the pipe open after this process


def guarded() -> dict[str, str]:
    """Return the variables that whatever this process starts must bear, and see that a guardian lives."""
    with _WATCH.lock:
        if not _WATCH.alive():
            _WATCH.start()
    return {_WATCH.mark: "1"}
