"""The program behind one page: started without a shell, of a bounded size, ended in bounded time."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress

import msgspec
from aiohttp import WSMsgType, web
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

WIDTHS = (20, 500)
HEIGHTS = (5, 200)
"""Least and most columns and rows: a terminal of a million columns would take gigabytes."""

_END_SECONDS = 5.0


class _Size(msgspec.Struct):
    width: int
    height: int


def clamped(value: int, bounds: tuple[int, int]) -> int:
    """``value``, or the bound that it is beyond."""
    return max(bounds[0], min(value, bounds[1]))


class Session(AppService):
    """A program and the page that shows it."""

    def __init__(self, program: Sequence[str], socket: web.WebSocketResponse, downloads: DownloadManager) -> None:
        """``program``: its command line; ``socket``: of the page."""

        async def close() -> None:
            await socket.close()

        super().__init__(
            program[0],
            write_bytes=socket.send_bytes,
            write_str=socket.send_str,
            close=close,
            download_manager=downloads,
        )
        self._program = tuple(program)

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        environment = self._build_environment(width=width, height=height)
        self._process = process = await asyncio.create_subprocess_exec(
            *self._program, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment
        )
        self._stdin = process.stdin
        return process

    async def stop(self) -> None:
        """Terminate the program, and kill it if it does not exit."""
        process = self._process
        try:
            async with asyncio.timeout(_END_SECONDS):
                await super().stop()
                if process is not None:
                    await process.wait()
        except TimeoutError:
            pass
        finally:
            if process is not None and process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


async def talk(socket: web.WebSocketResponse, session: Session) -> bool:
    """Hand messages of the page to the program until the page closes; ``False``: one was malformed."""
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            continue
        try:
            kind, *rest = msgspec.json.decode(message.data, type=list[msgspec.Raw])
            match msgspec.json.decode(kind, type=str):
                case "stdin":
                    await session.send_bytes(msgspec.json.decode(rest[0], type=str).encode("utf-8", "replace"))
                case "resize":
                    size = msgspec.json.decode(rest[0], type=_Size)
                    await session.set_terminal_size(clamped(size.width, WIDTHS), clamped(size.height, HEIGHTS))
                case "ping":
                    await socket.send_json(["pong", msgspec.json.decode(rest[0], type=str | int | float | None)])
                case "blur":
                    await session.blur()
                case "focus":
                    await session.focus()
        except (ValueError, IndexError, RecursionError):
            return False
        except ConnectionError:
            # The page closed, or the program ended.
            return True
    return True
