"""``noodle env``: what is installed in the user's cache, who needs it, and what can go."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from noodle.cli.exit_codes import OK
from noodle.cli.terminal import output_console, visible
from noodle.errors import UsageError
from noodle.installation.needs import needing, without_interpreter
from noodle.installation.store import PackageStore, StoredPackages
from noodle.settings import Settings, resolve

__all__ = ["list_environments", "prune_environments", "show_environment"]

_STORES = ("python", "node")
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class _Entry:
    """An installation with the store that it is in."""

    store: PackageStore
    stored: StoredPackages

    @property
    def is_needed(self) -> bool:
        """Whether a lock file asks for it, and it can be used."""
        return (
            bool(self.stored.facts)
            and bool(needing(self.stored))
            and not without_interpreter(self.stored)
        )


def list_environments(*, config: Path | None = None) -> int:
    """Print the environments and npm packages in the cache, those used last first.

    Args:
        config: The configuration file; None for the nearest one.

    Returns:
        The exit code.
    """
    console = output_console()
    entries = list(_entries(_settings(config)))
    if not entries:
        console.print("nothing is installed")
        return OK
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="heading")
    for heading in ("key", "for", "contents", "size", "last use", "state"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "size" else "left")
    for entry in entries:
        stored = entry.stored
        table.add_row(
            stored.key[:8],
            visible(str(stored.facts.get("target", ""))),
            visible(_contents(stored)),
            _bytes(stored.size()),
            _age(stored.last_use),
            _state(entry),
        )
    console.print(table)
    return OK


def show_environment(key: str, *, config: Path | None = None) -> int:
    """Print everything about one installation.

    Args:
        key: The first characters of its key.
        config: The configuration file; None for the nearest one.

    Raises:
        UsageError: No installation has such a key, or several do.
    """
    entry = _with_key(key, list(_entries(_settings(config))))
    stored = entry.stored
    console = output_console()
    rows = {
        "key": stored.key,
        "for": stored.facts.get("target", ""),
        "folder": stored.directory,
        "Python": stored.facts.get("python"),
        "interpreter": stored.facts.get("interpreter"),
        "packages": ", ".join(stored.facts.get("packages", ())) or "none",
        "size": _bytes(stored.size()),
        "last use": _age(stored.last_use),
        "state": _state(entry).plain,
    }
    for name, value in rows.items():
        if value is not None:
            console.print(Text.assemble((f"{name:<12}", "label"), visible(str(value))))
    needed = needing(stored)
    for user in stored.users:
        tells = "needed by" if user in needed else "was used by"
        console.print(
            Text.assemble((f"{tells:<12}", "label"), visible(f"{user.lock_file}: {user.target}"))
        )
    return OK


def prune_environments(
    *,
    everything: bool = False,
    unused_days: int | None = None,
    dry_run: bool = False,
    config: Path | None = None,
) -> int:
    """Remove installations that no lock file asks for any more; none that a process uses.

    Damaged ones go too, and what builds have left that were killed.

    Args:
        everything: Whether those that are asked for go too.
        unused_days: Those too that were not used for so many days; None for none of them.
        dry_run: Whether to tell only.
        config: The configuration file; None for the nearest one.

    Returns:
        The exit code.
    """
    console = output_console()
    settings = _settings(config)
    freed = 0
    for store in () if dry_run else _stores(settings):
        store.cache.remove_left()
    for entry in _entries(settings):
        stored = entry.stored
        idle = time.time() - stored.last_use
        old = unused_days is not None and idle > unused_days * _DAY
        if not (everything or old or not entry.is_needed):
            continue
        name = f"{stored.key[:8]}  {visible(str(stored.facts.get('target', 'damaged')))}"
        size = stored.size()
        if entry.store.in_use(stored.key) or not (dry_run or entry.store.remove(stored.key)):
            console.print(Text(f"{name}  is in use, and stays", "missing"))
            continue
        freed += size
        console.print(f"{name}  {_bytes(size)} {'would be removed' if dry_run else 'removed'}")
    console.print(Text(f"{_bytes(freed)} {'could be freed' if dry_run else 'freed'}", "ok"))
    return OK


def _settings(config: Path | None) -> Settings:
    return resolve(config_file=config)


def _stores(settings: Settings) -> list[PackageStore]:
    return [PackageStore(settings.cache_directory / name) for name in _STORES]


def _entries(settings: Settings) -> Iterator[_Entry]:
    found = [
        _Entry(store, stored) for store in _stores(settings) for stored in store.installations()
    ]
    yield from sorted(found, key=lambda entry: -entry.stored.last_use)


def _with_key(key: str, entries: Sequence[_Entry]) -> _Entry:
    found = [entry for entry in entries if entry.stored.key.startswith(key)]
    if len(found) == 1:
        return found[0]
    raise UsageError(
        f"{len(found) or 'no'} installations have a key that begins with {key!r}",
        expected="the key of one, of which the first characters are enough",
        received=", ".join(entry.stored.key[:8] for entry in found or entries[:10])
        or "none at all",
        remedy="noodle env list",
    )


def _contents(stored: StoredPackages) -> str:
    if not stored.facts:
        return "unknown"
    packages = stored.facts.get("packages", ())
    shown = ", ".join(packages[:2])
    more = f", {len(packages) - 2} more" if len(packages) > 2 else ""
    python = stored.facts.get("python")
    before = f"Python {python}: " if python else ""
    return f"{before}{shown or 'no packages'}{more}"


def _state(entry: _Entry) -> Text:
    stored = entry.stored
    if not stored.facts:
        return Text("damaged", "missing")
    if without_interpreter(stored):
        return Text("its interpreter is gone", "missing")
    if entry.store.in_use(stored.key):
        return Text("in use", "ok")
    count = len({user.lock_file for user in needing(stored)})
    if count:
        return Text(f"needed by {count} lock file{'' if count == 1 else 's'}", "ok")
    return Text("not needed", "missing")


def _bytes(count: int) -> str:
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.2f} GB"


def _age(moment: float) -> str:
    seconds = max(0.0, time.time() - moment)
    for unit, length in (("day", _DAY), ("hour", 3600), ("minute", 60)):
        count = int(seconds // length)
        if count:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
