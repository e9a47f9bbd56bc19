"""Runs a simulated broker: as a program, or in a thread of a test with its own event loop. Loopback only."""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web

HOST = "127.0.0.1"


async def start(application: web.Application, port: int = 0) -> tuple[web.AppRunner, int]:
    """Listens, on any free port when it is 0; returns what must be cleaned up, and the port."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, HOST, port)
    await site.start()
    port = runner.addresses[0][1]
    return runner, port


class ServerThread:
    """A server in its own thread, from the moment it is made until `stop`."""

    def __init__(self, application: web.Application, port: int = 0) -> None:
        self.port = 0
        self._application, self._wanted = application, port
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure:
            raise self._failure

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        try:
            runner, self.port = await start(self._application, self._wanted)
        except OSError as error:
            self._failure = error
            return
        finally:
            self._ready.set()
        await self._end.wait()
        await runner.cleanup()


def run_forever(
    applications: Sequence[web.Application], port: int, ready: Callable[..., Any], ends_with_input: bool = False
) -> None:
    """Until SIGTERM or SIGINT; with `ends_with_input` also until the other end of the input's pipe is closed.
    `ready` is told the port of each; `port` is that of the first."""

    async def serve() -> None:
        end = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, end.set)
        if ends_with_input:
            asyncio.get_running_loop().add_reader(sys.stdin.fileno(), end.set)
        started = [await start(each, 0 if number else port) for number, each in enumerate(applications)]
        ready(*(chosen for _, chosen in started))
        await end.wait()
        for runner, _ in started:
            await runner.cleanup()

    asyncio.run(serve())
