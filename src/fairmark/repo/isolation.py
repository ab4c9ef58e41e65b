"""Run a program of a release where it reaches nothing of the caller's: in Linux namespaces of its own.

It sees the system's programs and libraries and the Python that it runs with, to read alone, and one folder
to write in: no home, no key, no agent, no process beside its own, no network but where it is asked for, and
an empty environment. It holds no capability and can gain none. Memory, processes and time are limited, and
when it ends, everything that it started has ended.

This file is also the program that does so (`python -I -S isolation.py SPEC`): it needs only what comes with
Python.
See namespaces(7), user_namespaces(7), mount_setattr(2) and pivot_root(2).
"""

import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

GIB = 1 << 30

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
_SETTINGS = (
    "alternatives",
    "group",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "nsswitch.conf",
)
_NETWORK = (
    *("ca-certificates", "ca-certificates.conf", "gai.conf", "host.conf", "hosts", "pip.conf", "pki"),
    *("resolv.conf", "ssl", "uv"),
)
_DEVICES = ("null", "zero", "full", "random", "urandom")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
_INDEXES = (
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "PIP_CERT"),
    "UV_SYSTEM_CERTS",
)


@dataclass(frozen=True)
class _Spec:
    """What the program of its own is given, as JSON on its command line; see `Isolation`."""

    command: list[str]
    folder: str
    place: str
    shown: list[str]
    kept: list[str]
    variables: dict[str, str]
    network: bool
    memory_bytes: int
    processes: int
    seconds: float


@dataclass(frozen=True)
class Isolation:
    """How programs of a release are kept apart.

    Parameters
    ----------
    place
        The one folder that they may write in.
    shown
        Folders beside the system's that they may read, such as an environment.
    memory_bytes
        What all of them together may hold, and each may ask for.
    processes
        How many processes and threads there may be at a time.
    seconds
        How long a program may take.
    """

    place: Path
    shown: tuple[Path, ...] = ()
    memory_bytes: int = 8 * GIB
    processes: int = 1024
    seconds: float = 3 * 3600.0

    def command(
        self,
        words: Sequence[str],
        folder: Path,
        extra: Mapping[str, str] | None = None,
        *,
        network: bool = False,
        kept: Sequence[Path] = (),
    ) -> list[str]:
        """Return the command that runs `words` in `folder`, kept apart, with these variables alone.

        Parameters
        ----------
        network
            Whether it may reach the network, with the caller's proxies and package index.
        kept
            Folders within `place` that it may read, not write.
        """
        asked = {*_PROXIES, *map(str.lower, _PROXIES), *_INDEXES} if network else set[str]()
        variables = {key: text for key, text in os.environ.items() if key in asked}
        variables |= {"PATH": os.defpath, "HOME": "/tmp", "LANG": "C.UTF-8"} | dict(extra or {})  # noqa: S108
        place = self.place.resolve()
        spec = _Spec(
            command=list(words),
            folder=str(folder.resolve()),
            place=str(place),
            shown=sorted({sys.base_prefix, *(str(path.absolute()) for path in self.shown)}),
            kept=[str(path.resolve()) for path in kept if path.exists()],
            variables=variables,
            network=network,
            memory_bytes=self.memory_bytes,
            processes=self.processes,
            seconds=self.seconds,
        )
        # `env -i`: not even the memory of the first process holds the caller's environment.
        return [*_clean_python(), str(Path(__file__).resolve()), json.dumps(asdict(spec))]


def impossible(place: Path) -> str | None:
    """Return why programs can't be kept apart on this machine, or None where they can."""
    if sys.platform != "linux":
        return f"namespaces are Linux's, this is {sys.platform}"
    command = Isolation(place, seconds=60).command(["/bin/true"], place)
    ended = subprocess.run(
        command, capture_output=True, check=False, encoding="utf-8", stdin=subprocess.DEVNULL
    )
    return None if ended.returncode == 0 else (ended.stderr.strip().split("\n")[-1] or "no word of why")[:200]


def _clean_python() -> list[str]:
    base = str(getattr(sys, "_base_executable", None) or sys.executable)
    return ["/usr/bin/env", "-i", base, "-I", "-S"]


# What follows runs in the program of its own.

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
_BIND, _REC, _PRIVATE, _NOSUID, _NODEV, _NOEXEC = 0x1000, 0x4000, 0x40000, 2, 4, 8
_MOUNT_SETATTR, _PIVOT_ROOT, _CAPSET = {
    "x86_64": (442, 155, 126),
    "aarch64": (442, 41, 91),
}.get(os.uname().machine, (442, -1, -1))
_READ_ONLY, _SET_NOSUID = 1, 2
_DETACH = 2
_PDEATHSIG, _DUMPABLE, _BOUNDING_DROP, _NO_NEW_PRIVS = 1, 4, 24, 38

_libc = ctypes.CDLL(None, use_errno=True)


def _call(what: str, answer: int) -> None:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    found = _libc.mount(*texts, ctypes.c_ulong(flags), None if data is None else data.encode())
    _call(f"mount {target}", found)


def _show(source: str, root: str, target: str, *, write: bool = False) -> None:
    """Let `source` be seen at `target` of the new root."""
    place = f"{root}{target}"
    if os.path.isdir(source):  # noqa: PTH112
        os.makedirs(place, exist_ok=True)  # noqa: PTH103
    else:
        os.makedirs(os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    _mount(source, place, None, _BIND | _REC)
    if not write:
        _seal(place)


def _seal(place: str) -> None:
    """Let nobody write at `place` and below, whatever is mounted there (since Linux 5.12)."""
    # Not a remount to read alone, which reaches the top mount and leaves those below it open for writing.
    attributes = struct.pack("QQQQ", _READ_ONLY | _SET_NOSUID, 0, 0, 0)
    # -100 is AT_FDCWD and 0x8000 AT_RECURSIVE; the attributes are mount_setattr(2)'s struct mount_attr.
    _call(
        f"mount_setattr {place}",
        _libc.syscall(_MOUNT_SETATTR, -100, os.fsencode(place), 0x8000, attributes, len(attributes)),
    )


def _new_root(spec: _Spec) -> None:
    place, root = spec.place, f"{spec.place}/.root"
    os.makedirs(root, exist_ok=True)  # noqa: PTH103
    # Else each mount below would show in the caller's namespace too.
    _mount("none", "/", None, _REC | _PRIVATE)
    # In memory, so that nothing of it is left when the last process ends; it holds mount points alone.
    _mount("tmpfs", root, "tmpfs", _NOSUID | _NODEV, "size=16m,mode=755")
    temporary = f"{root}/tmp"  # noqa: S108 - it is the new root's own
    os.mkdir(temporary)  # noqa: PTH102
    _mount("tmpfs", temporary, "tmpfs", _NOSUID | _NODEV, "size=2g,mode=1777")
    # Where /bin and /lib are links into /usr, they must be links here too, or the loader is not found.
    for name in _SYSTEM:
        if os.path.islink(name):  # noqa: PTH114
            os.symlink(os.readlink(name), f"{root}{name}")  # noqa: PTH115, PTH211
        elif os.path.isdir(name):  # noqa: PTH112
            _show(name, root, name)
    settings = [*_SETTINGS, *(_NETWORK if spec.network else ())]
    for name in settings:
        if os.path.exists(f"/etc/{name}"):  # noqa: PTH110
            _show(os.path.realpath(f"/etc/{name}"), root, f"/etc/{name}")
    # The real one names everybody who has an account here; programs only look up who they run as.
    with open(f"{root}/etc/passwd", "w", encoding="utf-8") as stream:  # noqa: PTH123
        stream.write(f"rebuild:x:{os.getuid()}:{os.getgid()}::/tmp:/bin/sh\n")
    for name in _DEVICES:
        _show(f"/dev/{name}", root, f"/dev/{name}", write=True)
    os.mkdir(f"{root}/dev/shm")  # noqa: PTH102, S108
    _mount("tmpfs", f"{root}/dev/shm", "tmpfs", _NOSUID | _NODEV | _NOEXEC, "size=1g,mode=1777")  # noqa: S108
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(f"/proc/self/{target}", f"{root}/dev/{name}")  # noqa: PTH211
    for path in spec.shown:
        _show(path, root, path)
    # The one place that may be written to, over all shown above; what must stay in it is sealed below.
    os.makedirs(f"{root}{place}", exist_ok=True)  # noqa: PTH103
    _mount(place, f"{root}{place}", None, _BIND)  # without what is mounted below: the new root itself
    for path in spec.kept:
        _mount(path, f"{root}{path}", None, _BIND | _REC)
        _seal(f"{root}{path}")
    os.mkdir(f"{root}/proc")  # noqa: PTH102
    # Of the new namespace of processes, so it lists none of the caller's, nor their environments.
    _mount("proc", f"{root}/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    os.chdir(root)
    # "." for both is the form of pivot_root(2) that needs no folder for the old root, which lies on top then
    # and is let go by the next call; chroot(2) alone can be left again by whoever is root in here.
    _call("pivot_root", _libc.syscall(_PIVOT_ROOT, b".", b"."))
    _call("umount", _libc.umount2(b".", _DETACH))
    os.chdir("/")


def _renounce() -> None:
    """Give every right away, for good."""
    # The bounding set first: once the capabilities are gone, nobody may shrink it any more. Those that the
    # kernel doesn't know fail, and are not there to be given away.
    for capability in range(64):
        _libc.prctl(_BOUNDING_DROP, capability, 0, 0, 0)
    _call("no_new_privs", _libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0))
    # Version 3 of the header, of this process; three sets of 64 bits each, all of them empty.
    header, none = struct.pack("Ii", 0x20080522, 0), bytes(24)
    _call("capset", _libc.syscall(_CAPSET, header, none))


def _loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as talk:
        # SIOCSIFFLAGS with IFF_UP and IFF_RUNNING: a new network namespace has a loopback that is down, and
        # programs expect to reach themselves.
        fcntl.ioctl(talk, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))


def _limit(spec: _Spec) -> None:
    for what, most in (
        (resource.RLIMIT_AS, 4 * spec.memory_bytes),  # address space is asked for, not used
        (resource.RLIMIT_NPROC, spec.processes),
        (resource.RLIMIT_FSIZE, 16 * GIB),
        (resource.RLIMIT_CORE, 0),
    ):
        # What the caller is held to already can't be raised, and asking for more would be refused.
        hard = resource.getrlimit(what)[1]
        asked = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (asked, asked))


def _taken() -> tuple[int, int]:
    """Return how many processes are here, and the memory that they hold, without what they share."""
    names = [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    pages = 0
    for name in names:
        with suppress(OSError, ValueError), open(f"/proc/{name}/statm", encoding="ascii") as stream:  # noqa: PTH123
            _, resident, shared = map(int, stream.read().split()[:3])
            pages += resident - shared
    return len(names), pages * resource.getpagesize()


def _watch(spec: _Spec) -> None:
    """End everything when it takes too much: the kernel holds root to no number of processes."""
    until = time.monotonic() + spec.seconds
    memory, processes = spec.memory_bytes, spec.processes
    while True:
        # Often enough that a program which doubles its memory each time is ended before the machine swaps.
        time.sleep(0.2)
        count, held = _taken()
        for over, words in (
            (time.monotonic() > until, f"{spec.seconds} s"),
            (held > memory, f"{memory / GIB:.1f} GiB of memory"),
            (count > processes, f"{processes} processes"),
        ):
            if over:
                print(f"isolation: must take at most {words}, got more: ended", file=sys.stderr, flush=True)
                # As a shell tells of a program that SIGKILL ended: 128 + 9.
                os._exit(137)


def _first(spec: _Spec) -> int:
    """Be the first process of the new namespaces: when it ends, the kernel ends all others."""
    _libc.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if not spec.network:
        _loopback()
    socket.sethostname("rebuild")
    _new_root(spec)
    _renounce()
    # This process has been root of its namespaces: what runs in them must not trace it or open its files in
    # /proc.
    _libc.prctl(_DUMPABLE, 0, 0, 0, 0)
    threading.Thread(target=_watch, args=(spec,), daemon=True).start()
    started = subprocess.Popen(
        spec.command,
        cwd=spec.folder,
        env=spec.variables,
        preexec_fn=lambda: _limit(spec),  # noqa: PLW1509 - the thread only sleeps
        stdin=subprocess.DEVNULL,
    )
    while True:
        number, status = os.wait()  # the first process buries whoever is left without a parent
        if number == started.pid:
            return os.waitstatus_to_exitcode(status)


def _main(spec: _Spec) -> int:
    # Before the namespace, in which both are nobody's until the maps below are written.
    user, group = os.getuid(), os.getgid()
    spaces = _NEWUSER | _NEWNS | _NEWPID | _NEWIPC | _NEWUTS | (0 if spec.network else _NEWNET)
    # One call for all of them: only who makes the user namespace first has the right to make the others.
    _call("unshare", _libc.unshare(spaces))
    # In this order: since CVE-2014-8989 a caller without rights may map groups only once setgroups is denied:
    # it could else drop a group that a file denies access to.
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as stream:  # noqa: PTH123
            stream.write(text)
    # Whoever started this may be killed: then it ends as well, and with it all that it started.
    _libc.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    child = os.fork()
    if child == 0:
        try:
            code = _first(spec)
        except OSError as error:
            print(f"isolation: {error.strerror or error}", file=sys.stderr, flush=True)
            code = 125
        # As a shell tells of a signal: 128 and its number.
        os._exit(code if code >= 0 else 128 - code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(OSError):
        os.rmdir(f"{spec.place}/.root")  # noqa: PTH106
    return code


if __name__ == "__main__":
    try:
        ended = _main(_Spec(**json.loads(sys.argv[1])))
    except OSError as failed:
        sys.exit(f"isolation: {failed.strerror or failed}")
    sys.exit(ended if ended >= 0 else 128 - ended)
