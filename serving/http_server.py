"""The REST API's HTTP server, on aiohttp."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from serving.rest import Rest

_CLOSE_SECONDS = 1


class HttpServer:
    """An HTTP server in a thread of its own.

    Args:
        rest: what answers.
        max_in_flight: requests that are answered at a time.
        max_body_bytes: most bytes of a request's body.
    """

    def __init__(self, rest: Rest, max_in_flight: int, max_body_bytes: int):
        self._rest = rest
        # A few more threads than answers, so that what is turned away need not wait.
        self._threads = ThreadPoolExecutor(max_in_flight + 4, "rest")
        self._loop: asyncio.AbstractEventLoop | None = None
        application = web.Application(client_max_size=max_body_bytes)
        application.router.add_route("*", "/{path:.*}", self._handle)
        # A request whose client has gone is cancelled.
        self._runner = web.AppRunner(
            application, handler_cancellation=True, access_log=None, shutdown_timeout=_CLOSE_SECONDS
        )
        self._max_body_bytes = max_body_bytes
        self._thread: threading.Thread | None = None

    def start(self, host: str, port: int) -> int:
        """Binds and begins to answer; gives the port.

        Raises:
            OSError: it cannot be bound.
        """
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rest", daemon=True)
        self._thread.start()
        return self._run(self._start(host, port))

    def stop(self) -> None:
        """Closes the port and the connections; answers that are being written are finished."""
        self._run(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._threads.shutdown(cancel_futures=True)

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _start(self, host, port):
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, reuse_port=False)
        await site.start()
        return self._runner.addresses[0][1]

    async def _handle(self, request):
        call = self._rest.call()
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            message = (
                f"The request is larger than {self._max_body_bytes} bytes (--max-message-bytes)."
            )
            return _response(413, json.dumps({"error": message}).encode(), "application/json")
        answer = self._loop.run_in_executor(
            self._threads, self._rest.answer, request.method, request.path, body, call
        )
        try:
            await asyncio.wait([answer], timeout=call.remaining())
        finally:
            # Whether in time, too late or given up: nobody waits for the work from here on.
            call.cancel()
        return _response(*await answer)


def _response(status, body, content_type):
    return web.Response(status=status, body=body, headers={"Content-Type": content_type})
