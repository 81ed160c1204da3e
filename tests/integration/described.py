"""A server's services, called by what its reflection says of them, as grpcurl does."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from grpc_reflection.v1alpha import reflection_pb2
from serving_harness import PATIENCE

# The two versions differ in their package alone.
VERSIONS = ("v1", "v1alpha")


class Described:
    """Descriptors that come from a server, and raw calls by them."""

    def __init__(self, channel: grpc.Channel, version: str) -> None:
        self._channel = channel
        self._ask = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        self._pool = descriptor_pool.DescriptorPool()
        self._known: set[str] = set()

    def ask(self, **question: str) -> reflection_pb2.ServerReflectionResponse:
        (answer,) = self._ask(iter([reflection_pb2.ServerReflectionRequest(**question)]), timeout=PATIENCE)
        return answer

    def services(self) -> set[str]:
        return {service.name for service in self.ask(list_services="").list_services_response.service}

    def service(self, name: str) -> Any:
        """Its descriptor."""
        self._add(self.ask(file_containing_symbol=name))
        return self._pool.FindServiceByName(name)

    def _add(self, answer: reflection_pb2.ServerReflectionResponse) -> None:
        files = [
            descriptor_pb2.FileDescriptorProto.FromString(data)
            for data in answer.file_descriptor_response.file_descriptor_proto
        ]
        assert files, answer
        for file in files:
            if file.name in self._known:
                continue
            self._known.add(file.name)
            for needed in file.dependency:
                if needed not in self._known:
                    self._add(self.ask(file_by_filename=needed))
            self._pool.Add(file)

    def call(self, service: str, method: str, **fields: Any) -> Message:
        found = self.service(service).methods_by_name[method]
        request, response = (message_factory.GetMessageClass(kind) for kind in (found.input_type, found.output_type))
        raw = self._channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        return raw(request(**fields), timeout=PATIENCE)
