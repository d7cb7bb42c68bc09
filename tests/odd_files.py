"""Files that no driver would create."""

import os


def spoil(path, way, content):
    """Replace a file by something that no driver would create."""
    if way == "write":
        path.write_bytes(content)
        return
    if way == "forbid":
        path.chmod(0)
        return
    path.unlink()
    if way == "directory":
        path.mkdir()
    elif way == "fifo":
        os.mkfifo(path)
    elif way == "dangling":
        path.symlink_to("nowhere")
    elif way == "endless":
        path.symlink_to("/dev/zero")
