"""A servicer's methods as gRPC's handlers, on its asyncio side.

Requests are parsed within them, where a failure can be answered like any other. gRPC's own way
leaks: a server that could not parse a request kept 16 KB for good (grpcio 1.85), so that anybody
could fill its memory with noise.

They are not registered method by method, as generated code does: the server's loop then waits for
the next call of each method on its own, and gathers all of these waits anew at every call.

Messages of any size are parsed and written in the event loop: a thread would hold Python's
interpreter lock for as long.
"""

from collections.abc import Callable

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from serving.calls import Call, InFlight
from serving.errors import ServingError, status_of


def service_handlers(
    service: ServiceDescriptor, servicer, most_streams: int = 0
) -> grpc.GenericRpcHandler:
    """The handlers of a service's methods.

    Args:
        service: of a `.proto` file.
        servicer: has an asynchronous method of each one's name. It is called with a request, its
            `Call` and gRPC's context and gives a response; where there are many responses, it is
            called with the request, or an iterator of them, and the context, and generates them.
            Whatever it raises is the call's status, by `status_of`.
        most_streams: of its calls with many responses, each of which is open for as long as its
            client likes, so many may be at a time.
    """
    streams = InFlight(most_streams, f"Too many streams at a time: at most {most_streams}.")
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

    def read(raw):
        return _parsed(parse, raw)

    def read_all(raws):
        return (_parsed(parse, raw) async for raw in raws)

    # Bytes in, bytes out: what cannot be written is answered here, too, and not as UNKNOWN.
    if method.client_streaming:
        return grpc.stream_stream_rpc_method_handler(_many(behaviour, read_all, write, streams))
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(_many(behaviour, read, write, streams))
    return grpc.unary_unary_rpc_method_handler(_one(behaviour, read, write))


def _one(behaviour, read, write):
    """The handler of a method with one response."""

    async def handle(raw, context):
        call = Call(context.time_remaining(), len(raw))
        try:
            return write(await behaviour(read(raw), call, context))
        except Exception as error:
            status = status_of(error)
        finally:
            # Also where gRPC cancels this: its client has gone, or the deadline has passed.
            call.cancel()
        # gRPC keeps what `abort` raises, and with it this frame, until garbage is collected. So
        # it is raised where no other error is handled, whose frames would be kept as well.
        del raw
        await context.abort(*status)

    return handle


def _many(behaviour, read, write, streams):
    """The handler of a method with many responses."""

    async def handle(received, context):
        try:
            with streams.admit():
                async for response in behaviour(read(received), context):
                    yield write(response)
            return
        except Exception as error:
            status = status_of(error)
        del received
        await context.abort(*status)

    return handle


def _parsed(parse, raw):
    try:
        return parse(raw)
    except Exception:
        # The code that gRPC gives in every language.
        raise ServingError(grpc.StatusCode.INTERNAL, "The request could not be parsed.") from None
