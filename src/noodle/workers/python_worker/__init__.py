"""The Python half of a Python worker: whatever is not worth being fast.

It runs on CPython 3.8 and later, in environments where noodle is not installed, under the name
``_noodle_worker``; see ``worker_main.py``. The host imports nothing of it.
"""
