"""The files in a work directory that are its login: taken out as a bundle, and put in from one.

Knows paths and permissions. What a bundle may hold is `bundle`'s business. Every function here waits for the disk, so a
Trio task calls it in a thread.
"""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from lingma_trio.accounts import Account
from lingma_trio.lingma import bundle
from lingma_trio.lingma.bundle import BundleFault
from lingma_trio.private_files import check_owner, sync_directory, write_new

log = structlog.get_logger("lingma_trio.login_files")


def is_logged_in(work_dir: Path) -> bool:
    """Whether the directory holds a login: `cache/user` is a file and not empty (protocol reference, 1.6)."""
    with suppress(OSError):
        user = (work_dir / "cache/user").stat()
        return stat.S_ISREG(user.st_mode) and user.st_size > 0
    return False


def export(work_dir: Path) -> bytes:
    """The bundle of the login in `work_dir`, which stays as it is. Every export is logged.

    Raises `BundleFault` where there is no login or it cannot be read.
    """
    if not is_logged_in(work_dir):
        raise BundleFault(f"{work_dir} is not logged in, so there is no login to export")
    files = {}
    for name in bundle.MEMBERS:
        try:
            with (work_dir / name).open("rb") as file:
                files[name] = file.read(bundle.MAX_MEMBER + 1)
        except FileNotFoundError:
            continue  # what must be there is the bundle's own rule
        except OSError as fault:
            raise BundleFault(f"{work_dir / name} cannot be read ({fault.strerror})") from None
    packed = bundle.pack(files)
    log.warning("login_exported", work_dir=str(work_dir), files=list(files), size=len(packed))
    return packed


def restore(work_dir: Path, packed: bytes) -> None:
    """Put the login of a bundle into `work_dir`, readable for this user alone. No Lingma may run there.

    All or nothing as far as Lingma can see: the files are written elsewhere first and `cache/user` comes last, so an
    attempt that is cut short leaves no login. Raises `BundleFault` where there is a login already, and for a bundle or
    a directory that will not do.
    """
    files = bundle.read(packed)
    if is_logged_in(work_dir):
        raise BundleFault(f"{work_dir} is logged in already; its login stays as it is")
    try:
        work_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_owner(work_dir)
        (work_dir / "cache").mkdir(mode=0o700, exist_ok=True)
        with TemporaryDirectory(prefix=".login-", dir=work_dir) as staging:
            staged = {name: Path(staging) / Path(name).name for name in files}
            for name, path in staged.items():
                write_new(path, files[name])
            for name, path in staged.items():
                path.replace(work_dir / name)
        sync_directory(work_dir / "cache")
    except OSError as fault:
        raise BundleFault(f"the login cannot be written below {work_dir} ({fault.strerror})") from None
    log.info("login_restored", work_dir=str(work_dir), files=list(files))


def restore_login(work_dir: Path, account: Account | None) -> bool:
    """Give `work_dir` the login that the settings hold for `account`; whether it is logged in afterwards.

    For the time before an instance's first start. A login that is there already stays, and a bundle that will not do is
    logged and otherwise ignored: there is still the browser to sign in with.
    """
    if is_logged_in(work_dir):
        return True
    if account is None or not (account.session_bundle or account.session_bundle_file):
        return False
    try:
        restore(work_dir, _configured(account))
    except BundleFault as fault:
        log.warning("login_not_restored", work_dir=str(work_dir), fault=str(fault))
        return False
    return True


def read_bundle(path: Path) -> bytes:
    """A bundle from its file, cut short just behind the length that `bundle.read` takes.

    Raises `BundleFault` for a file that cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(bundle.MAX_BUNDLE + 1)
    except OSError as fault:
        raise BundleFault(f"{path} cannot be read ({fault.strerror})") from None


def _configured(account: Account) -> bytes:
    if account.session_bundle_file is not None:
        return read_bundle(account.session_bundle_file)
    return account.session_bundle.get_secret_value().encode(errors="replace")
