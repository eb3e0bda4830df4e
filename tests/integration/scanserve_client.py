"""A client of all services, with a time limit on every call."""

import contextlib
import io
from dataclasses import dataclass, field

import grpc
import health_pb2_grpc
import numpy as np
import pytest
from google.protobuf.message import Message
from scanserve.v1 import adapter_service_pb2 as adapters_pb
from scanserve.v1 import adapter_service_pb2_grpc as adapters_rpc
from scanserve.v1 import experiment_service_pb2 as experiments_pb
from scanserve.v1 import experiment_service_pb2_grpc as experiments_rpc
from scanserve.v1 import inference_service_pb2 as inference_pb
from scanserve.v1 import inference_service_pb2_grpc as inference_rpc
from scanserve.v1 import monitoring_service_pb2 as monitoring_pb
from scanserve.v1 import monitoring_service_pb2_grpc as monitoring_rpc
from scanserve.v1 import scan_order_service_pb2 as orders_pb
from scanserve.v1 import scan_order_service_pb2_grpc as orders_rpc
from scanserve.v1 import scan_pb2 as scan_pb

CALL_SECONDS = 60
# What the server promises for its messages.
MAX_SERVER_MESSAGE_BYTES = 1 << 20

IDENTITY = scan_pb.ScanChoice(identity=scan_pb.IdentityScan())
BASE = scan_pb.AdapterChoice(base=scan_pb.BaseAdapter())


def prompt(value, **fields) -> inference_pb.Prompt:
    """A prompt of text, of bytes or of token ids."""
    if isinstance(value, inference_pb.Prompt):
        return value
    if isinstance(value, str):
        return inference_pb.Prompt(text=value, **fields)
    if isinstance(value, bytes):
        return inference_pb.Prompt(text_bytes=value, **fields)
    return inference_pb.Prompt(token_ids=inference_pb.TokenIds(ids=value), **fields)


def setting(name="", version=0, digest="", layers=(), readout=scan_pb.READOUT_UNSPECIFIED):
    ref = scan_pb.ScanOrderRef(name=name, version=version, digest=digest)
    return scan_pb.ScanSetting(order=ref, target_layers=layers, readout=readout)


def scan(name="", **fields) -> scan_pb.ScanChoice:
    return scan_pb.ScanChoice(setting=setting(name, **fields))


def adapter(name: str | None = "", **ref) -> scan_pb.AdapterChoice:
    if name is None:
        return BASE
    return scan_pb.AdapterChoice(ref=scan_pb.AdapterRef(name=name, **ref))


def sampling(**fields) -> inference_pb.SamplingParameters:
    if "suppress_tokens" in fields:
        fields["suppress_tokens"] = inference_pb.SuppressedTokens(ids=fields["suppress_tokens"])
    return inference_pb.SamplingParameters(**fields)


def generate_request(text, scan=None, adapter=None, request_id="", echo=False,
                     prompt_logprobs=False, unit_key="", **fields):
    return inference_pb.GenerateRequest(prompt=prompt(text), scan=scan, adapter=adapter,
                                        request_id=request_id, echo=echo, unit_key=unit_key,
                                        prompt_logprobs=prompt_logprobs,
                                        sampling=sampling(**fields))


def npy_bytes(entries, dtype="<i8", version=None) -> bytes:
    """A .npy file of the entries."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(entries, dtype=dtype), version=version)
    return buffer.getvalue()


@dataclass
class Generation:
    """The events of one Generate call, or those of one choice of it."""

    started: inference_pb.GenerateStarted | None = None
    prompt_parts: list = field(default_factory=list)
    deltas: list = field(default_factory=list)
    finished: inference_pb.GenerateFinished | None = None
    session: bytes = b""
    summary: inference_pb.GenerateSummary | None = None

    @property
    def text(self) -> str:
        return "".join(delta.text for delta in self.deltas)

    @property
    def token_ids(self) -> list[int]:
        return [token for delta in self.deltas for token in delta.token_ids]

    @property
    def logprobs(self) -> list:
        return [each for delta in self.deltas for each in delta.logprobs]

    @property
    def prompt_text(self) -> str:
        return "".join(part.text for part in self.prompt_parts)

    @property
    def prompt_ids(self) -> list[int]:
        return [token for part in self.prompt_parts for token in part.token_ids]

    @property
    def prompt_logprobs(self) -> list:
        return [each for part in self.prompt_parts for each in part.logprobs]

    @property
    def order_digest(self) -> str:
        return self.started.in_force.scan.order.digest

    def add(self, response) -> None:
        kind = response.WhichOneof("event")
        if kind == "prompt":
            assert not self.deltas and self.finished is None, "the prompt came late"
            self.prompt_parts.append(response.prompt)
        elif kind == "delta":
            self.deltas.append(response.delta)
        elif kind == "session":
            self.session += response.session.data
        else:
            assert getattr(self, kind) is None, f"{kind} came twice"
            setattr(self, kind, getattr(response, kind))

    @classmethod
    def of(cls, events) -> "Generation":
        made = cls()
        for response in events:
            made.add(response)
        return made

    @classmethod
    def choices_of(cls, events) -> list["Generation"]:
        """One for each choice, with the events that they share."""
        made = []
        for response in events:
            kind = response.WhichOneof("event")
            if kind == "started":
                made = [cls() for _ in range(response.started.sampling.n)]
            own = kind in ("delta", "finished")
            for each in [made[getattr(response, kind).choice]] if own else made:
                each.add(response)
        return made


class Client:
    """One connection. Thread-safe."""

    def __init__(self, address: str, options=(), credentials=None):
        options = [
            ("grpc.enable_http_proxy", 0),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", MAX_SERVER_MESSAGE_BYTES),
            *options,
        ]
        if credentials is None:
            self.channel = grpc.insecure_channel(address, options=options)
        else:
            self.channel = grpc.secure_channel(address, credentials, options=options)
        self.inference = inference_rpc.InferenceServiceStub(self.channel)
        self.orders = orders_rpc.ScanOrderServiceStub(self.channel)
        self.adapters = adapters_rpc.AdapterServiceStub(self.channel)
        self.experiments = experiments_rpc.ExperimentServiceStub(self.channel)
        self.monitoring = monitoring_rpc.MonitoringServiceStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self.channel.close()

    def generate(self, text, timeout=CALL_SECONDS, **fields) -> Generation:
        request = generate_request(text, **fields)
        return Generation.of(self.inference.Generate(request, timeout=timeout))

    def choices(self, text, timeout=CALL_SECONDS, **fields) -> list[Generation]:
        request = generate_request(text, **fields)
        return Generation.choices_of(self.inference.Generate(request, timeout=timeout))

    def greedy(self, text, tokens=24, **fields) -> Generation:
        return self.generate(text, do_sample=False, max_new_tokens=tokens, ignore_eos=True,
                             **fields)

    def tokenize(self, text, **fields) -> list[int]:
        request = inference_pb.TokenizeRequest(prompt=prompt(text, **fields))
        return list(self.inference.Tokenize(request, timeout=CALL_SECONDS).token_ids)

    def detokenize(self, ids, keep_special_tokens=False) -> str:
        request = inference_pb.DetokenizeRequest(token_ids=ids,
                                                 keep_special_tokens=keep_special_tokens)
        return self.inference.Detokenize(request, timeout=CALL_SECONDS).text

    def info(self) -> monitoring_pb.GetServerInfoResponse:
        return self.monitoring.GetServerInfo(monitoring_pb.GetServerInfoRequest(),
                                             timeout=CALL_SECONDS)

    def list_adapters(self) -> adapters_pb.ListAdaptersResponse:
        return self.adapters.ListAdapters(adapters_pb.ListAdaptersRequest(), timeout=CALL_SECONDS)

    def upload(self, name, npy, chunk=1 << 20, **header) -> orders_pb.UploadScanOrderResponse:
        """Uploads a .npy given as bytes, or entries."""
        npy = npy if isinstance(npy, bytes) else npy_bytes(npy)

        def parts():
            yield orders_pb.UploadScanOrderRequest(
                header=orders_pb.UploadScanOrderHeader(name=name, **header))
            for begin in range(0, len(npy), chunk):
                yield orders_pb.UploadScanOrderRequest(npy_chunk=npy[begin:begin + chunk])

        return self.orders.UploadScanOrder(parts(), timeout=CALL_SECONDS)

    def load_adapter(self, folder, **storage) -> adapters_pb.LoadAdapterResponse:
        request = adapters_pb.LoadAdapterRequest(
            folder=folder, storage=adapters_pb.AdapterStorage(**storage))
        return self.adapters.LoadAdapter(request, timeout=CALL_SECONDS)

    def upload_adapter(self, name, config: bytes, tensors: bytes, chunk=1 << 20,
                       **storage) -> adapters_pb.UploadAdapterResponse:
        def parts():
            yield adapters_pb.UploadAdapterRequest(
                header=adapters_pb.AdapterStorage(name=name, **storage))
            for begin in range(0, len(config), chunk):
                yield adapters_pb.UploadAdapterRequest(config_chunk=config[begin:begin + chunk])
            for begin in range(0, len(tensors), chunk):
                yield adapters_pb.UploadAdapterRequest(tensors_chunk=tensors[begin:begin + chunk])

        return self.adapters.UploadAdapter(parts(), timeout=CALL_SECONDS)

    def unload_adapter(self, name="", **ref) -> adapters_pb.UnloadAdapterResponse:
        request = adapters_pb.UnloadAdapterRequest(adapter=scan_pb.AdapterRef(name=name, **ref))
        return self.adapters.UnloadAdapter(request, timeout=CALL_SECONDS)

    def activate(self, order=None, **fields) -> orders_pb.ActiveSetting:
        """Makes a setting active; none switches the permutation off."""
        request = orders_pb.SetActiveScanRequest(setting=order, **fields)
        return self.orders.SetActiveScan(request, timeout=CALL_SECONDS).active

    def score(self, documents, timeout=CALL_SECONDS, **settings):
        """Scores documents, given as pairs of id and prompt. See PerplexityResult."""
        return PerplexityResult.of(self.inference.ComputePerplexity(
            perplexity_requests(documents, **settings), timeout=timeout))

    def extract(self, text, timeout=CALL_SECONDS, **fields):
        """The first message of an extraction, and the chunks after it."""
        request = inference_pb.ExtractHiddenStatesRequest(prompt=prompt(text), **fields)
        messages = list(self.inference.ExtractHiddenStates(request, timeout=timeout))
        return messages[0].started, [message.chunk for message in messages[1:]]


def perplexity_requests(documents, **settings):
    yield inference_pb.ComputePerplexityRequest(
        settings=inference_pb.PerplexitySettings(**settings))
    for name, text in documents:
        part = inference_pb.DocumentPart(document_id=name, content=prompt(text))
        yield inference_pb.ComputePerplexityRequest(document=part)


@dataclass
class PerplexityResult:
    """The events of one ComputePerplexity call."""

    started: inference_pb.PerplexityStarted | None = None
    documents: list = field(default_factory=list)
    totals: inference_pb.PerplexityTotals | None = None
    # By the index of the document.
    positions: dict = field(default_factory=dict)
    nlls: dict = field(default_factory=dict)
    classes: dict = field(default_factory=dict)

    @classmethod
    def of(cls, events) -> "PerplexityResult":
        made = cls()
        for response in events:
            kind = response.WhichOneof("event")
            if kind == "document":
                made.documents.append(response.document)
            elif kind == "tokens":
                tokens = response.tokens
                made.positions.setdefault(tokens.index, []).extend(tokens.positions)
                made.nlls.setdefault(tokens.index, []).extend(tokens.nlls)
                made.classes.setdefault(tokens.index, []).extend(tokens.classes)
            else:
                assert getattr(made, kind) is None, f"{kind} came twice"
                setattr(made, kind, getattr(response, kind))
        return made


@contextlib.contextmanager
def refused(code: grpc.StatusCode, *words: str):
    """Expects the calls inside to be refused, with these words in the message."""
    with pytest.raises(grpc.RpcError) as caught:
        yield caught
    error = caught.value
    assert error.code() == code, f"{error.code()}: {error.details()}"
    for word in words:
        assert word in error.details(), error.details()


def same_bits(first: Message, second: Message) -> bool:
    """Whether two messages are equal to the bit; == takes NaN for unequal and -0 for 0."""
    return (first.SerializeToString(deterministic=True) ==
            second.SerializeToString(deterministic=True))
