"""How much, how many and how long; all of these are chosen."""

from __future__ import annotations

PORT = 8080

THREADS_MOST = 32
"""Calls that run at a time; many of them wait for workers, files or networks."""

QUEUED_MOST = 256
"""Further calls that wait for a thread; what comes then is refused."""

CONNECTIONS_MOST = 512
"""Connections at a time; further ones are closed. Processes may often open 1024 files."""

BACKLOG = 128
"""Connections that wait until they are taken."""

SILENCE_SECONDS = 10.0
"""How long a connection may stay without a complete head of a request."""

HEAD_BYTES_MAX = 16 << 10
"""The head of a request that arrives in parts; at once it may have 256 KiB."""

BODY_SECONDS_MAX = 10.0
"""How long a body may take to arrive."""

BODY_BYTES_MAX = 8 << 20
"""A list of half a million numbers."""

NAME_CHARACTERS_MAX = 200
"""The name of a function."""

NESTING_MAX = 200
"""Lists and maps of a result within each other."""

INTEGER_BITS_MAX = 14_000
"""Integers of a result, 4214 digits; Python writes none with more than 4300."""

MESSAGE_CHARACTERS_MAX = 2000
"""What an answer tells of an error's message."""

LOGGED_MOST = 1000
"""Entries that wait until they are written; further ones are counted."""

LOGGED_BYTES_MAX = 4 << 20
"""Of the requests that such entries are about; what they hold takes several times as much."""

FINISHING_SECONDS = 20
"""How long calls may go on when the service is told to end."""

LEAVING_SECONDS = 5.0
"""How long exit handlers and threads of libraries have after that."""
