"""Health and reflection."""

import grpc
import pytest
from google.protobuf import descriptor_pb2

import health_pb2 as health_pb
import reflection_pb2 as reflection_pb
import reflection_pb2_grpc as reflection_rpc
from scanserve_client import CALL_SECONDS

SERVICES = ["scanserve.v1.AdapterService", "scanserve.v1.InferenceService",
            "scanserve.v1.MonitoringService", "scanserve.v1.ScanOrderService"]
SERVING = health_pb.HealthCheckResponse.SERVING


@pytest.mark.parametrize("service", ["", *SERVICES])
def test_each_service_is_serving(client, service):
    request = health_pb.HealthCheckRequest(service=service)
    assert client.health.Check(request, timeout=CALL_SECONDS).status == SERVING
    events = client.health.Watch(request, timeout=CALL_SECONDS)
    assert next(events).status == SERVING
    events.cancel()


def test_an_unknown_service_has_no_health(client):
    request = health_pb.HealthCheckRequest(service="no.such.Service")
    with pytest.raises(grpc.RpcError) as caught:
        client.health.Check(request, timeout=CALL_SECONDS)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    events = client.health.Watch(request, timeout=CALL_SECONDS)
    assert next(events).status == health_pb.HealthCheckResponse.SERVICE_UNKNOWN
    events.cancel()


def reflect(client, **request):
    stub = reflection_rpc.ServerReflectionStub(client.channel)
    return next(stub.ServerReflectionInfo(
        iter([reflection_pb.ServerReflectionRequest(**request)]), timeout=CALL_SECONDS))


def test_reflection_lists_the_services(client):
    listed = {each.name for each in
              reflect(client, list_services="*").list_services_response.service}
    assert listed >= {*SERVICES, "grpc.health.v1.Health",
                      "grpc.reflection.v1alpha.ServerReflection"}


def test_reflection_shows_the_calls_of_a_service(client):
    answer = reflect(client, file_containing_symbol="scanserve.v1.InferenceService")
    files = [descriptor_pb2.FileDescriptorProto.FromString(each)
             for each in answer.file_descriptor_response.file_descriptor_proto]
    service = next(each for file in files for each in file.service
                   if each.name == "InferenceService")
    calls = {each.name: (each.client_streaming, each.server_streaming) for each in service.method}
    assert calls == {"Generate": (False, True), "ComputePerplexity": (True, True),
                     "Compare": (True, True), "ExtractHiddenStates": (False, True), "Tokenize": (False, False),
                     "Detokenize": (False, False)}


def test_reflection_does_not_know_what_is_not_there(client):
    answer = reflect(client, file_containing_symbol="no.such.Symbol")
    assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


def test_reflection_is_not_offered_off_loopback(start_server, connect):
    server = start_server("--listen", "0.0.0.0:0", "--insecure-no-tls", "--insecure-no-auth")
    client = connect(server)
    assert client.info().version
    with pytest.raises(grpc.RpcError) as caught:
        reflect(client, list_services="*")
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
