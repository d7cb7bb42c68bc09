"""Several threads can decode a new type at the same time without crashing the interpreter."""

import subprocess
import sys

PROGRAM = """
import sys, threading, types
import msgspec
from runtime_core.decoding import prepare

sys.setswitchinterval(1e-6)
SOURCE = '''
from __future__ import annotations
import msgspec
class Inner(msgspec.Struct):
    x: int = 0
    y: str = ""
class Outer(msgspec.Struct):
''' + "".join(f"    f{i}: list[Inner] | None = None\\n" for i in range(40))
for number in range(120):
    module = sys.modules[f"m{number}"] = types.ModuleType(f"m{number}")
    exec(SOURCE, module.__dict__)
    prepare(module.Outer)
    barrier = threading.Barrier(4)

    def decode():
        barrier.wait()
        for _ in range(3):
            msgspec.json.decode(b'{"f1": [{"x": 1}]}', type=module.Outer)

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print("done")
"""


def test_a_prepared_type_is_decoded_by_many_threads():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
