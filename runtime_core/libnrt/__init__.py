"""Runtime 2.x as a C library: ``libnrt.so.1`` and its headers, over :mod:`runtime_core.nrt`.

``include/`` holds the headers. ``declarations`` reads their prototypes, ``generate`` turns them into the C code of the
exported functions, ``build`` compiles it. In a program, ``start.c`` starts Python at the first call and ``attach``
binds each exported function to the Python function of the same name in ``calls/``.
"""
