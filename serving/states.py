"""What has become of each version of a model, as GetModelStatus tells it."""

import threading

import grpc
from tensorflow_serving.apis import get_model_status_pb2

from serving.errors import ServingError

_Status = get_model_status_pb2.ModelVersionStatus
START = _Status.START
LOADING = _Status.LOADING
AVAILABLE = _Status.AVAILABLE
UNLOADING = _Status.UNLOADING
END = _Status.END
# Ended versions that are still told; a server that rolls over for years forgets the oldest.
_KEPT = 100


class VersionStates:
    """The states of a model's versions."""

    def __init__(self):
        self._lock = threading.Lock()
        self._states: dict[int, tuple[int, ServingError | None]] = {}

    def set(self, version: int, state: int, error: ServingError | None = None) -> None:
        """Notes a version's state, and the error that led to it."""
        with self._lock:
            self._states[version] = (state, error)
            ended = sorted(v for v, (s, _) in self._states.items() if s == END)
            for old in ended[:-_KEPT]:
                del self._states[old]

    def messages(self, version: int | None = None) -> list[_Status]:
        """Statuses, highest version first; only of the one version where it is given."""
        with self._lock:
            items = sorted(self._states.items(), reverse=True)
        return [_message(number, *state) for number, state in items if version in (None, number)]

    def last_error(self) -> str | None:
        """The message of the highest version that failed."""
        failed = [m.status.error_message for m in self.messages() if m.status.error_code]
        return failed[0] if failed else None


def _message(version, state, error):
    message = _Status(version=version, state=state)
    message.status.error_code = (error.code if error else grpc.StatusCode.OK).value[0]
    message.status.error_message = error.message if error else ""
    return message
