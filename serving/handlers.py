"""A servicer's methods as gRPC's handlers, on its asyncio side.

Requests are parsed within them, where a failure can be answered like any other. gRPC's own way
leaks: a server that could not parse a request kept 16 KB for good (grpcio 1.85), so that anybody
could fill its memory with noise.

They are not registered method by method, as generated code does: the server's loop then waits for
the next call of each method on its own, and gathers all of these waits anew at every call.
"""

from collections.abc import Callable

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from serving.calls import Call, InFlight
from serving.errors import ServingError

# Each is open for as long as its client likes, and those of reflection are the only ones.
_MOST_STREAMS = 4


def service_handlers(service: ServiceDescriptor, servicer) -> grpc.GenericRpcHandler:
    """The handlers of a service's methods.

    Args:
        service: of a `.proto` file.
        servicer: has an asynchronous method of each one's name. It is called with a request, its
            `Call` and gRPC's context and gives a response; where there are many responses, it is
            called with the request, or an iterator of them, and the context, and generates them.
            A ServingError that it raises is the call's status.
    """
    streams = InFlight(_MOST_STREAMS, "Too many streams at a time.")
    return grpc.method_handlers_generic_handler(
        service.full_name,
        {
            method.name: _handler(method, getattr(servicer, method.name), streams)
            for method in service.methods
        },
    )


def _handler(method: MethodDescriptor, behaviour: Callable, streams: InFlight):
    parse = GetMessageClass(method.input_type).FromString
    write = GetMessageClass(method.output_type).SerializeToString
    if method.client_streaming:
        handle = _of_stream(behaviour, parse, streams)
        return grpc.stream_stream_rpc_method_handler(handle, None, write)
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(_to_stream(behaviour, parse), None, write)
    return grpc.unary_unary_rpc_method_handler(_unary(behaviour, parse), None, write)


def _unary(behaviour, parse):
    async def handle(raw, context):
        call = Call(context.time_remaining(), len(raw))
        try:
            return await behaviour(_parsed(parse, raw), call, context)
        except ServingError as error:
            await context.abort(error.code, error.message)
        finally:
            # Also where gRPC cancels this: its client has gone, or the deadline has passed.
            call.cancel()

    return handle


def _to_stream(behaviour, parse):
    async def handle(raw, context):
        try:
            async for response in behaviour(_parsed(parse, raw), context):
                yield response
        except ServingError as error:
            await context.abort(error.code, error.message)

    return handle


def _of_stream(behaviour, parse, streams):
    async def handle(raws, context):
        try:
            with streams.admit():
                requests = (_parsed(parse, raw) async for raw in raws)
                async for response in behaviour(requests, context):
                    yield response
        except ServingError as error:
            await context.abort(error.code, error.message)

    return handle


def _parsed(parse, raw):
    try:
        return parse(raw)
    except Exception:
        # The code that gRPC gives in every language.
        raise ServingError(grpc.StatusCode.INTERNAL, "The request could not be parsed.") from None
