"""Event loops in threads of their own, for servers that the main thread starts and stops."""

import asyncio
import sys
import threading
from concurrent.futures import Executor

from serving.calls import Call

if sys.platform == "win32":
    # uvloop knows no Windows.
    _new_loop = asyncio.new_event_loop
else:
    from uvloop import new_event_loop as _new_loop


class LoopThread:
    """An event loop that runs in a thread of its own.

    Args:
        name: of the thread.

    Attributes:
        loop: the event loop.
    """

    def __init__(self, name: str):
        self.loop: asyncio.AbstractEventLoop = _new_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, coroutine):
        """What a coroutine gives there; for other threads, which it keeps waiting."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def close(self) -> None:
        """Ends loop and thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


async def in_thread(threads: Executor, call: Call, function, *arguments):
    """What `function` gives in a thread.

    Where whoever waits is cancelled, so is the call; but the wait goes on until the work has
    ended, so that what is held for it (a place in flight, a model) is held for so long.
    """
    work = asyncio.get_running_loop().run_in_executor(threads, function, *arguments)
    try:
        # Unlike `await`, this leaves the work alone when it is cancelled.
        await asyncio.wait([work])
    except asyncio.CancelledError:
        call.cancel()
        await asyncio.wait([work])
        # Looked at, or asyncio would say that nobody has.
        work.exception()
        raise
    try:
        return work.result()
    finally:
        # An error that it raises holds this frame, which would hold the error by its future.
        del work
