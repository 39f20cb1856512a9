"""The native bridge: shared libraries and C sources, called through cffi.

::

    from noodle.bridges.native import NativeBridge
    from noodle.calls import LoadRequest

    bridge = NativeBridge()
    request = LoadRequest("m", "libm.so.6", prototypes="double cos(double x);")
    cos = bridge.load(request).member("cos").raw
"""

from noodle.bridges.native.bridge import NativeBridge

__all__ = ["NativeBridge"]
