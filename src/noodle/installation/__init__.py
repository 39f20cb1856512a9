"""Installing packages: what every package manager that Noodle runs has in common.

========================  =======================================================================
:mod:`~.policy`           whether a load may install, and the error where it may not
:mod:`~.progress`         what a person sees meanwhile
:mod:`~.tool`             a package manager as a child process: deadline, output, full disks
:mod:`~.store`            what is installed: one folder a key, complete or not there, who uses it
========================  =======================================================================
"""
