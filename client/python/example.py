#!/usr/bin/python3
"""Generates, scores, extracts, uploads an order and switches it on and off.

    client/python/make_stubs stubs
    PYTHONPATH=stubs client/python/example.py [HOST:PORT [CA_FILE [TOKEN_FILE]]]
"""
import io
import sys
from pathlib import Path

import grpc
import numpy as np
from scanserve.v1 import inference_service_pb2 as inference
from scanserve.v1 import inference_service_pb2_grpc as inference_grpc
from scanserve.v1 import scan_order_service_pb2 as orders
from scanserve.v1 import scan_order_service_pb2_grpc as orders_grpc
from scanserve.v1 import scan_pb2 as scan

TEXT = "The river flows through the valley and the town stands on its northern bank."


def generate(model):
    """Prints the text as it comes, and says which order it was made under."""
    request = inference.GenerateRequest(
        prompt=inference.Prompt(text=TEXT),
        sampling=inference.SamplingParameters(temperature=0, max_new_tokens=24))
    for event in model.Generate(request, timeout=60):
        if event.HasField("started"):
            print("order:", event.started.in_force.scan.order.name)
        print(event.delta.text, end="", flush=True)
    print()


def perplexity(model):
    """Settings first, then documents; totals come last."""
    def requests():
        yield inference.ComputePerplexityRequest(settings=inference.PerplexitySettings())
        yield inference.ComputePerplexityRequest(
            document=inference.DocumentPart(document_id="text", content=inference.Prompt(text=TEXT)))

    *_, last = model.ComputePerplexity(requests(), timeout=60)
    print(f"perplexity of {last.totals.scores.all.tokens} tokens: {last.totals.scores.perplexity:.2f}")


def hidden_states(model):
    """Returns what the last layer's mixer reads, [tokens, hidden size]."""
    request = inference.ExtractHiddenStatesRequest(prompt=inference.Prompt(text=TEXT))
    request.scan.identity.SetInParent()
    started, *chunks = model.ExtractHiddenStates(request, timeout=60)
    data = b"".join(event.chunk.data for event in chunks)
    return np.frombuffer(data, "<f4").reshape(started.started.rows, started.started.hidden_size)


def upload(service, name, order):
    """Stores an order as the .npy file that NumPy writes."""
    file = io.BytesIO()
    np.save(file, order)
    header = orders.UploadScanOrderHeader(name=name)
    parts = [orders.UploadScanOrderRequest(header=header),
             orders.UploadScanOrderRequest(npy_chunk=file.getvalue())]
    return service.UploadScanOrder(iter(parts), timeout=60).order


def connect(address, ca_file="", token_file=""):
    """TLS when there is an authority to trust; the token goes with every call."""
    if not ca_file:
        return grpc.insecure_channel(address)
    credentials = grpc.ssl_channel_credentials(Path(ca_file).read_bytes())
    if token_file:
        token = Path(token_file).read_text(encoding="ascii").strip()
        credentials = grpc.composite_channel_credentials(
            credentials, grpc.access_token_call_credentials(token))
    return grpc.secure_channel(address, credentials)


def main():
    with connect(*(sys.argv[1:] or ["127.0.0.1:50051"])) as channel:
        model = inference_grpc.InferenceServiceStub(channel)
        service = orders_grpc.ScanOrderServiceStub(channel)
        generate(model)
        perplexity(model)
        states = hidden_states(model)
        print("hidden states:", states.shape)

        stored = upload(service, "example", np.arange(len(states))[::-1])
        print(f"stored {stored.name}@{stored.version}, digest {stored.digest[:12]}")
        setting = scan.ScanSetting(order=scan.ScanOrderRef(name="example"))
        service.SetActiveScan(orders.SetActiveScanRequest(setting=setting), timeout=60)
        generate(model)
        service.SetActiveScan(orders.SetActiveScanRequest(), timeout=60)
        generate(model)


if __name__ == "__main__":
    main()
