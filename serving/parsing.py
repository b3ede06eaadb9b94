"""Requests parsed inside their handlers, where a failure can be answered like any other."""

import functools

import grpc

from serving.calls import InFlight
from serving.errors import ServingError

# Those of reflection are the only ones.
_MOST_STREAMS = 4


class ParseInHandler(grpc.ServerInterceptor):
    """Hands handlers the bytes of requests, and parses them there.

    gRPC's own way leaks: a server that could not parse a request kept 16 KB for good
    (grpcio 1.85), so that anybody could fill its memory with noise.

    A stream of requests holds a thread for as long as its client likes, so few are let in.
    """

    def __init__(self):
        self._streams = InFlight(_MOST_STREAMS, "Too many streams at a time.")
        # By method: made once, and not for each call.
        self._handlers: dict[str, grpc.RpcMethodHandler] = {}

    def intercept_service(self, continuation, handler_call_details):
        method = handler_call_details.method
        if method not in self._handlers:
            handler = continuation(handler_call_details)
            if handler is None:
                return None
            self._handlers[method] = self._parsing(handler)
        return self._handlers[method]

    def _parsing(self, handler):
        parse = handler.request_deserializer
        kind = _kind(handler)
        behaviour = getattr(handler, kind)
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        if handler.request_streaming:
            wrapped = self._with_parsed_stream(behaviour, parse)
        else:
            wrapped = _with_parsed_request(behaviour, parse)
        return make(wrapped, None, handler.response_serializer)

    def _with_parsed_stream(self, behaviour, parse):
        @functools.wraps(behaviour)
        def handle(raws, context, *rest):
            try:
                with self._streams.admit():
                    requests = (_parsed(parse, raw, context) for raw in raws)
                    yield from behaviour(requests, context, *rest)
            except ServingError as error:
                context.abort(error.code, error.message)

        return handle


def _kind(handler):
    sides = (handler.request_streaming, handler.response_streaming)
    return "_".join("stream" if streams else "unary" for streams in sides)


# `wraps` keeps the attributes by which gRPC's health service asks not to hold a thread.
def _with_parsed_request(behaviour, parse):
    @functools.wraps(behaviour)
    def handle(raw, context, *rest):
        return behaviour(_parsed(parse, raw, context), context, *rest)

    return handle


def _parsed(parse, raw, context):
    try:
        return parse(raw)
    except Exception:
        # The code that gRPC gives in every language.
        context.abort(grpc.StatusCode.INTERNAL, "The request could not be parsed.")
