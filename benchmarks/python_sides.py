"""Ways to call a function in another Python, each through one library."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from sides import Side, side_of_noodle

FOLDER = Path(__file__).parent
SCALARS = FOLDER / "scalars.py"

ANSWERS = """
from scalars import add, process_id
channel.send(process_id())
while True:
    channel.send(add(*channel.receive()))
"""


def open_noodle_isolated() -> Side:
    import noodle

    module = noodle.load(str(SCALARS), placement="isolated")
    return side_of_noodle(module, module.process_id())


def open_rpyc() -> Side:
    from rpyc.utils.classic import connect_subproc

    server = Path(sys.executable).with_name("rpyc_classic.py")
    connection = connect_subproc(str(server))
    connection.modules.sys.path.insert(0, str(FOLDER))
    scalars = connection.modules.scalars
    return Side(scalars.add, scalars.process_id())


def open_execnet() -> Side:
    import execnet

    gateway = execnet.makegateway(f"popen//python={sys.executable}//chdir={FOLDER}")
    channel = gateway.remote_exec(ANSWERS)
    process = channel.receive()

    def add(a: float, b: float) -> Any:
        channel.send((a, b))
        return channel.receive()

    return Side(add, process)


def open_appose() -> Side:
    """A task a call, as its documentation has it: its script is text and runs in a thread."""
    import appose

    # It takes the first Python on the path.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    service = appose.system().python()
    service.init(f"import sys\nsys.path.insert(0, {str(FOLDER)!r})\nfrom scalars import *")

    def run(script: str, **inputs: float) -> Any:
        task = service.task(f"from scalars import *\n{script}", inputs)
        task.wait_for()
        return task.outputs["result"]

    return Side(lambda a, b: run("add(a, b)", a=a, b=b), run("process_id()"))
