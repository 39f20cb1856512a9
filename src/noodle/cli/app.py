"""The command line as a Typer application: the commands, their options, their help."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from noodle.cli.process import guarded
from noodle.cli.sync_stamp import PROGRAM_SUFFIX
from noodle.ffi_service.options import ServiceOptions

__all__ = ["app", "run_app"]


class _Commands(TyperGroup):
    """The commands; a program's name or an option's in the place of one gets a hint."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        word = args[0] if args else ""
        if word.endswith(PROGRAM_SUFFIX):
            ctx.fail(f"{word!r} is a program, no command. Did you mean 'noodle run {word}'?")
        if word in ("help", "version"):
            ctx.fail(f"{word!r} is an option, no command. Did you mean 'noodle --{word}'?")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="noodle",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Call any function of any library from Noodle programs, through one dispatcher.",
    epilog="Exit codes: 0 fine, 1 the program raised, 2 wrong command line, 3 it does not compile, "
    "4 a library or setting is missing, 70 a defect in Noodle, 130 interrupted.",
)

Debug = Annotated[bool, typer.Option("--debug", help="Show errors with their Python traceback.")]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Read this configuration; by default the nearest noodle.toml above the program.",
        exists=True,
        dir_okay=False,
        readable=True,
    ),
]
Frozen = Annotated[
    bool,
    typer.Option("--frozen", help="Install nothing: what is missing is an error."),
]
Program = Annotated[str, typer.Argument(metavar="FILE", help="A Noodle program.")]


def run_app(arguments: Sequence[str]) -> int:
    """Run a command line; it ends with ``SystemExit`` and the exit code.

    Args:
        arguments: What follows the command's name.
    """
    app(args=list(arguments), prog_name="noodle")
    return 0


def _show_version(asked: bool) -> None:
    if asked:
        from noodle.cli.version import version_text

        typer.echo(version_text())
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the versions and leave."
        ),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


@app.command("run")
def _run(
    file: Program, config: Config = None, frozen: Frozen = False, debug: Debug = False
) -> None:
    """Run a program; packages that it needs and that are missing are installed."""
    from noodle.cli.run import run

    raise typer.Exit(run(file, config=config, debug=debug, frozen=frozen))


@app.command("sync")
def _sync(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Noodle programs, and targets that programs in Python load; by default the "
            "programs of this directory.",
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do without the network, from the caches.")
    ] = False,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="Install what is locked; what is not is an error.")
    ] = False,
    lock_only: Annotated[
        bool, typer.Option("--lock-only", help="Lock what is new, and install nothing.")
    ] = False,
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Install and lock what programs, the configuration and the lock file name."""
    from noodle.cli.sync import sync

    if frozen and lock_only:
        raise typer.BadParameter("--lock-only writes the lock file, and --frozen does not")
    how = {"offline": offline, "frozen": frozen, "lock_only": lock_only}
    raise typer.Exit(guarded(lambda: sync(names or [], config=config, **how), debug=debug))


@app.command("check")
def _check(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Noodle programs.")],
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Report every mistake that can be found without running: syntax, names, types, imports."""
    from noodle.cli.check import check

    raise typer.Exit(guarded(lambda: check(files, config=config), debug=debug))


@app.command("explain")
def _explain(
    file: Program,
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    debug: Debug = False,
) -> None:
    """Show the way of each foreign call through the dispatcher, without running the program.

    The imported libraries are loaded, because routing depends on what they hold.
    """
    from noodle.cli.explain import explain

    raise typer.Exit(guarded(lambda: explain(file, config=config, as_json=as_json), debug=debug))


@app.command("repl")
def _repl(config: Config = None, debug: Debug = False) -> None:
    """Type Noodle and see what it gives: with history, completion by Tab, several lines."""
    from noodle.cli.repl import repl

    raise typer.Exit(guarded(lambda: repl(config=config, debug=debug), debug=debug))


@app.command("bridges")
def _bridges(
    target: Annotated[
        str | None,
        typer.Argument(metavar="TARGET", help="A library, a configured name, or a bridge."),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", metavar="FILE", help="Read the native library's C header."),
    ] = None,
    unbound: Annotated[
        bool,
        typer.Option("--unbound", help="List what a library exports and cannot be used, and why."),
    ] = False,
    config: Config = None,
    debug: Debug = False,
) -> None:
    """List the bridges and the configured libraries, or what one library offers."""
    from noodle.cli.bridge_listing import list_bridges, list_unbound

    if target is None and (header or unbound):
        raise typer.BadParameter("--header and --unbound need a TARGET")
    headers = header or []
    if target is not None and unbound:
        name = target
        raise typer.Exit(guarded(lambda: list_unbound(name, headers, config=config), debug=debug))
    raise typer.Exit(guarded(lambda: list_bridges(target, headers, config=config), debug=debug))


@app.command("stubs")
def _stubs(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A library, or a configured name.")
    ],
    header: Annotated[
        list[str] | None,
        typer.Option("--header", metavar="FILE", help="Read the native library's C header."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Write there: a file, a directory, or - for the terminal; by default a file of "
            "the library's name.",
        ),
    ] = None,
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Write what a library declares as a .pyi file, with types and its authors' comments."""
    from noodle.cli.stubs import write_stub

    raise typer.Exit(
        guarded(lambda: write_stub(target, header or [], output, config=config), debug=debug)
    )


environments = typer.Typer(
    no_args_is_help=True, help="Show and remove the packages that are installed in the cache."
)
app.add_typer(environments, name="env")


@environments.command("list")
def _list_environments(config: Config = None, debug: Debug = False) -> None:
    """List what is installed: its size, when it was used last, whether a lock file needs it."""
    from noodle.cli.environment_listing import list_environments

    raise typer.Exit(guarded(lambda: list_environments(config=config), debug=debug))


@environments.command("show")
def _show_environment(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The first characters of a key.")],
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Show everything about one installation."""
    from noodle.cli.environment_listing import show_environment

    raise typer.Exit(guarded(lambda: show_environment(key, config=config), debug=debug))


@environments.command("prune")
def _prune_environments(
    everything: Annotated[
        bool, typer.Option("--all", help="Remove those too that lock files need.")
    ] = False,
    unused_days: Annotated[
        int | None,
        typer.Option(
            "--unused-for",
            metavar="DAYS",
            min=0,
            help="Remove those too that were not used so long.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Remove what no lock file needs any more; what a process uses stays."""
    from noodle.cli.environment_listing import prune_environments

    raise typer.Exit(
        guarded(
            lambda: prune_environments(
                everything=everything, unused_days=unused_days, dry_run=dry_run, config=config
            ),
            debug=debug,
        )
    )


@app.command("serve")
def _serve(
    file: Program,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="The loopback address to listen on.")
    ] = ServiceOptions.host,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="The port; 0 takes a free one.")
    ] = ServiceOptions.port,
    threads: Annotated[
        int, typer.Option(metavar="N", min=1, max=1024, help="How many calls may run at a time.")
    ] = ServiceOptions.threads,
    seconds: Annotated[
        float | None,
        typer.Option("--deadline", metavar="SECONDS", help="How long a request may wait and run."),
    ] = None,
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Serve a program's functions over HTTP on this machine. Nothing is installed."""
    from noodle.cli.serve import serve

    options = ServiceOptions(host, port, threads, seconds, config)
    raise typer.Exit(serve(file, options, debug=debug))


@app.command("host")
def _host(
    directory: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Where the client's program is; relative targets start from there.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    config: Config = None,
    threads: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many calls may run at a time.")
    ] = None,
) -> None:
    """Serve a program in another language, at the socket with which that program starts this.

    It is what `npm install noodle-ffi` brings that starts a host, not a person.
    """
    from noodle.cli.host import host

    raise typer.Exit(host(directory=directory, config=config, threads=threads))
