"""Runtime 2.x as a C library, ``libnrt.so.1`` with its headers, based on :mod:`runtime_core.nrt`.

``include/`` contains the headers. ``declarations`` reads their prototypes, ``generate`` generates the C code of the
exported functions from them, and ``build`` compiles it. In a program, ``start.c`` starts Python at the first call, and
``attach`` binds each exported function to the Python function of the same name in ``calls/``.
"""
