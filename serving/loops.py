"""Event loops in threads of their own, for servers that the main thread starts and stops."""

import asyncio
import sys
import threading

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
