"""The REST API's HTTP server, on aiohttp."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError

from serving import json_answers
from serving.calls import InFlight
from serving.errors import ServingError, deadline_exceeded, invalid
from serving.loops import LoopThread
from serving.rest import Rest

_CLOSE_SECONDS = 1
_SPARE = 4


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
        self._threads = ThreadPoolExecutor(max_in_flight + _SPARE, "rest")
        self._loop: LoopThread | None = None
        application = web.Application(client_max_size=max_body_bytes)
        application.router.add_route("*", "/{path:.*}", self._handle)
        # A request whose client has gone is cancelled.
        self._runner = web.AppRunner(
            application, handler_cancellation=True, access_log=None, shutdown_timeout=_CLOSE_SECONDS
        )
        self._max_body_bytes = max_body_bytes
        self._requests = InFlight(
            max_in_flight + _SPARE, "Too many requests in flight over REST (--max-in-flight)."
        )
        # Python takes some tens of bytes for each number of a JSON body, so that the bodies of all
        # requests together are held to what one may have.
        self._bytes = InFlight(
            max_body_bytes,
            f"The bodies of requests in flight are over {max_body_bytes} bytes together "
            "(--max-message-bytes).",
        )

    def start(self, host: str, port: int) -> int:
        """Binds and begins to answer; gives the port.

        Raises:
            OSError: it cannot be bound.
        """
        self._loop = LoopThread("rest")
        return self._loop.run(self._start(host, port))

    def stop(self) -> None:
        """Closes the port and the connections; answers that are being written are finished."""
        self._loop.run(self._runner.cleanup())
        self._loop.close()
        self._threads.shutdown(cancel_futures=True)

    async def _start(self, host, port):
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, reuse_port=False)
        await site.start()
        return self._runner.addresses[0][1]

    async def _handle(self, request):
        call = self._rest.call()
        # Before the body is read: what is turned away takes no memory.
        size = 0
        if request.can_read_body:
            # One that does not say how long it is may be as long as may be.
            size = min(request.content_length or self._max_body_bytes, self._max_body_bytes)
        try:
            with self._requests.admit(), self._bytes.admit(size):
                return _response(*await self._answer(request, call))
        except ServingError as error:
            return _response(*self._rest.refusal(error))

    async def _answer(self, request, call):
        """(status, body, content type)."""
        try:
            async with asyncio.timeout(call.remaining()):
                body = await request.read()
        except TimeoutError:
            return self._rest.refusal(deadline_exceeded())
        except web.HTTPRequestEntityTooLarge:
            message = (
                f"The request is larger than {self._max_body_bytes} bytes (--max-message-bytes)."
            )
            return 413, json_answers.text({"error": message}), "application/json"
        except (web.RequestPayloadError, ContentEncodingError) as error:
            return self._rest.refusal(invalid(f"The body could not be read: {error}"))
        answer = asyncio.get_running_loop().run_in_executor(
            self._threads, self._rest.answer, request.method, request.path, body, call
        )
        try:
            await asyncio.wait([answer], timeout=call.remaining())
        finally:
            # Whether in time, too late or given up: nobody waits for the work from here on.
            call.cancel()
        return await answer


def _response(status, body, content_type):
    return web.Response(status=status, body=body, headers={"Content-Type": content_type})
