"""Which Debian package has a header, for messages; and which headers are the C library's own."""

from __future__ import annotations

import re
from pathlib import PurePath

from noodle.bridges.native.packages import install_command

__all__ = ["header_remedy", "is_own_header"]

_PACKAGES = {
    "alsa": "libasound2-dev",
    "archive.h": "libarchive-dev",
    "cblas.h": "libopenblas-dev",
    "glib.h": "libglib2.0-dev",
    "jpeglib.h": "libjpeg-dev",
    "pcre2.h": "libpcre2-dev",
    "Python.h": "python3-dev",
    "uv.h": "libuv1-dev",
}

_C_LIBRARY = frozenset(
    """
    aio.h aliases.h alloca.h ar.h argp.h argz.h assert.h byteswap.h complex.h cpio.h crypt.h
    ctype.h dirent.h dlfcn.h elf.h endian.h envz.h err.h errno.h error.h execinfo.h fcntl.h
    features.h features-time64.h fenv.h fmtmsg.h fnmatch.h fstab.h fts.h ftw.h gconv.h getopt.h
    glob.h gnu-versions.h grp.h gshadow.h iconv.h ifaddrs.h inttypes.h iso646.h langinfo.h
    lastlog.h libgen.h libintl.h limits.h link.h locale.h malloc.h math.h mcheck.h memory.h
    mntent.h monetary.h mqueue.h netdb.h nl_types.h nss.h obstack.h paths.h poll.h printf.h
    proc_service.h pthread.h pty.h pwd.h regex.h resolv.h sched.h search.h semaphore.h setjmp.h
    sgtty.h shadow.h signal.h spawn.h stab.h stdalign.h stdarg.h stdbool.h stdc-predef.h stddef.h
    stdint.h stdio.h stdio_ext.h stdlib.h stdnoreturn.h string.h strings.h syscall.h sysexits.h
    syslog.h tar.h termio.h termios.h tgmath.h thread_db.h threads.h time.h ttyent.h uchar.h
    ucontext.h ulimit.h unistd.h utime.h utmp.h utmpx.h values.h wait.h wchar.h wctype.h wordexp.h
    """.split()
)
_C_LIBRARY_FOLDERS = re.compile(
    r"/(bits|sys|gnu|asm|asm-generic|linux|net|netinet|arpa|rpc|rpcsvc|protocols|scsi)/[^/]+$"
    r"|/(gcc|clang|zig)/|/lib/libc/"
)


def is_own_header(file: str, headers: tuple[str, ...]) -> bool:
    """Return whether a file belongs to the library, not to the C library or the compiler.

    Args:
        file: Its path.
        headers: The headers that were asked for, which always do.
    """
    if any(file == header or file.endswith(f"/{header.lstrip('./')}") for header in headers):
        return True
    if any(PurePath(header).name in _C_LIBRARY for header in headers):
        return "/bits/" in file
    return PurePath(file).name not in _C_LIBRARY and not _C_LIBRARY_FOLDERS.search(file)


def header_remedy(header: str, location: str) -> str | None:
    """Return the command that installs a header, or None where no package is known.

    Args:
        header: The header that is missing.
        location: The library that it is of.
    """
    known = _PACKAGES.get(header) or _PACKAGES.get(header.partition("/")[0])
    if known:
        return f"apt install {known}"
    stem = header.partition("/")[0].removesuffix(".h")
    return install_command([stem]) or install_command([location.removeprefix("c:")])
