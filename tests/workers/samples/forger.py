"""A module whose worker answers what the environment says; in the words of Python 3.8."""

import os
import sys

members = sys.modules["_noodle_worker.members"]


def value():
    return 1


def member():
    return 2


def _answer_as_told():
    told = eval(os.environ["FORGED"])
    for operation, answer in told.items():
        members._ACTIONS[operation] = lambda *_, answer=answer: answer


_answer_as_told()
