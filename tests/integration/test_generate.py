"""Generate over the wire."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from conftest import ALL_ADAPTERS
from deadline import wait_until
from repository import golden_json
from scanserve.v1 import inference_service_pb2 as pb
from scanserve.v1 import scan_order_service_pb2 as orders_pb
from scanserve_client import BASE, adapter, generate_request, same_bits, scan

GREEDY = golden_json("greedy/continuations.json")
CITY = "The city was founded in"


def test_greedy_continuations_equal_the_golden_ones(client):
    def run(case):
        return client.generate(case["prompt"], adapter=adapter(case["adapter"]), do_sample=False,
                               max_new_tokens=GREEDY["max_new_tokens"], ignore_eos=True,
                               suppress_tokens=GREEDY["suppress_tokens"])

    with ThreadPoolExecutor(8) as pool:
        for case, answer in zip(GREEDY["cases"], pool.map(run, GREEDY["cases"])):
            assert answer.token_ids == case["continuation_ids"], (case["adapter"], case["prompt"])
            assert answer.text == case["text"]
            assert answer.started.prompt_tokens == len(case["prompt_ids"])


def test_deltas_joined_are_the_text_of_the_tokens(client):
    answer = client.generate(CITY, max_new_tokens=100, seed=3, ignore_eos=True)
    assert len(answer.deltas) > 1
    assert answer.text == client.detokenize(answer.token_ids)
    assert answer.finished.generated_tokens == len(answer.token_ids) == 100
    assert answer.summary.generated_tokens == 100
    assert answer.summary.prompt_tokens == answer.started.prompt_tokens


def test_the_first_delta_comes_while_the_rest_is_still_computed(client):
    request = generate_request(CITY, max_new_tokens=4096, ignore_eos=True)
    events = client.inference.Generate(request, timeout=60)
    assert next(events).WhichOneof("event") == "started"
    assert next(events).WhichOneof("event") == "delta"
    assert client.info().engine.slots_used == 1
    events.cancel()


def test_text_bytes_and_token_ids_are_the_same_prompt(client):
    answers = [client.greedy(form) for form in (CITY, CITY.encode(), client.tokenize(CITY))]
    assert answers[0].token_ids == answers[1].token_ids == answers[2].token_ids


def test_unset_values_come_from_the_models_generation_config(client):
    started = client.generate(CITY, max_new_tokens=1).started
    values = started.sampling
    assert values.temperature == pytest.approx(0.8)
    assert values.top_p == pytest.approx(0.95)
    assert list(values.suppress_tokens.ids) == [1, 2]
    assert values.do_sample
    assert list(started.eos_token_ids) == [0]


def test_unset_values_without_a_config_are_the_documented_ones(client):
    values = client.generate(CITY, stop_token_ids=range(100, 164)).started.sampling
    assert values.max_new_tokens == 128
    assert values.top_k == 50
    assert (values.min_p, values.repetition_penalty, values.n, values.top_logprobs) == (0, 1, 1, 0)
    assert (values.presence_penalty, values.frequency_penalty) == (0, 0)
    assert not values.ignore_eos and not values.logprobs and values.HasField("seed")


def test_given_values_are_echoed(client):
    given = {"max_new_tokens": 3, "temperature": 0.5, "top_k": 7, "top_p": 0.25, "min_p": 0.125,
             "repetition_penalty": 1.5, "presence_penalty": -0.5, "frequency_penalty": 0.75,
             "logit_bias": {5: -1.5, 900: 2.0}, "seed": 2**64 - 1, "stop_strings": ["zq", "é"],
             "stop_token_ids": [17, 9], "ignore_eos": True, "logprobs": True, "top_logprobs": 2,
             "do_sample": True}
    answer = client.generate(CITY, request_id="echo-1", suppress_tokens=[4, 3], **given)
    values = answer.started.sampling
    for name, value in given.items():
        echoed = getattr(values, name)
        if isinstance(value, dict):
            assert dict(echoed) == value
        elif isinstance(value, list):
            assert list(echoed) == value
        else:
            assert echoed == value, name
    assert list(values.suppress_tokens.ids) == [4, 3]
    assert answer.started.request_id == "echo-1"


def test_an_answer_says_what_was_in_force(client):
    info = client.info()
    in_force = client.greedy(CITY, tokens=1, adapter=adapter("kjv")).started.in_force
    loaded = {each.name: each.digest for each in client.list_adapters().adapters}
    assert in_force.adapter.name == "kjv" and in_force.adapter.digest == loaded["kjv"]
    assert in_force.model == info.model.name and in_force.model_digest == info.model.digest
    assert in_force.tokenizer_digest == info.model.tokenizer_digest
    assert in_force.scan.order.name == "identity" and in_force.scan.order.digest == ""
    assert in_force.numerics_id == info.numerics_id == "f32.k1"
    assert not client.greedy(CITY, tokens=1, adapter=BASE).started.in_force.HasField("adapter")


def test_the_same_seed_gives_the_same_tokens_and_another_seed_others(client):
    first, again, other = (client.generate(CITY, max_new_tokens=40, ignore_eos=True, seed=seed)
                           for seed in (7, 7, 8))
    assert first.token_ids == again.token_ids
    assert first.token_ids != other.token_ids


def test_a_seed_that_the_server_drew_repeats_the_answer(client):
    first = client.generate(CITY, max_new_tokens=40)
    again = client.generate(CITY, max_new_tokens=40, seed=first.started.sampling.seed)
    assert again.text == first.text
    assert client.generate(CITY, max_new_tokens=1).started.sampling.seed != \
        first.started.sampling.seed


def test_temperature_0_and_do_sample_false_are_both_greedy(client):
    greedy = client.greedy(CITY)
    cold = client.generate(CITY, max_new_tokens=24, temperature=0, ignore_eos=True)
    assert cold.token_ids == greedy.token_ids
    assert not cold.started.sampling.do_sample


@pytest.mark.parametrize("begin, length", [(10, 1), (9, 5), (5, 17), (0, 3)])
def test_a_stop_string_ends_the_text_and_is_not_sent(client, begin, length):
    whole = client.greedy(CITY, tokens=40).text
    stop = whole[begin:begin + length]
    answer = client.greedy(CITY, tokens=40, stop_strings=["not in the text", stop])
    assert answer.text == whole[:whole.index(stop)]
    assert answer.finished.reason == pb.FINISH_REASON_STOP_STRING
    assert answer.finished.stop_string == stop


def test_a_stop_string_that_only_began_is_sent(client):
    whole = client.greedy(CITY, tokens=24)
    answer = client.greedy(CITY, tokens=24, stop_strings=[whole.text[-6:] + "never"])
    assert answer.text == whole.text
    assert answer.finished.reason == pb.FINISH_REASON_LENGTH


def test_a_stop_token_ends_the_answer(client):
    whole = client.greedy(CITY, tokens=24).token_ids
    stop = whole[9]
    answer = client.greedy(CITY, tokens=24, stop_token_ids=[stop])
    assert answer.finished.reason == pb.FINISH_REASON_STOP_TOKEN
    assert answer.finished.stop_token_id == stop
    assert answer.text == client.detokenize(whole[:whole.index(stop)])


def test_the_end_of_text_token_ends_the_answer_unless_it_is_ignored(client):
    forced = {"logit_bias": {0: 1000.0}, "max_new_tokens": 5}
    answer = client.generate(CITY, **forced)
    assert answer.finished.reason == pb.FINISH_REASON_END_OF_TEXT
    assert answer.text == ""
    ignoring = client.generate(CITY, ignore_eos=True, **forced)
    assert ignoring.finished.reason == pb.FINISH_REASON_LENGTH
    assert ignoring.token_ids == [0] * 5


def test_bytes_that_are_no_character_at_the_end_become_replacement_characters(client):
    request = pb.TokenizeRequest(prompt=pb.Prompt(text="😀"), with_pieces=True)
    tokens = client.inference.Tokenize(request, timeout=60)
    assert b"".join(tokens.pieces) == "😀".encode()
    part = next(token for token, piece in zip(tokens.token_ids, tokens.pieces)
                if piece[:1] == b"\xf0" and len(piece) < 4)
    answer = client.generate(CITY, max_new_tokens=3, logit_bias={part: 1000.0}, do_sample=False)
    assert answer.token_ids == [part] * 3
    assert answer.text == client.detokenize([part] * 3)
    assert "\ufffd" in answer.text


def test_log_probabilities_come_with_alternatives_likeliest_first(client):
    answer = client.greedy(CITY, tokens=12, top_logprobs=5)
    assert [each.token_id for each in answer.logprobs] == answer.token_ids
    for each in answer.logprobs:
        values = [top.logprob for top in each.top]
        assert len(values) == 5 and values == sorted(values, reverse=True)
        assert each.logprob <= 0
        assert each.token_id in [top.token_id for top in each.top]
    assert b"".join(each.token for each in answer.logprobs).decode() == answer.text


def test_each_of_several_choices_is_the_same_in_any_company(client):
    fields = {"max_new_tokens": 30, "temperature": 1, "top_logprobs": 2, "seed": 5,
              "ignore_eos": True}
    alone = client.generate(CITY, **fields)
    eight = client.choices(CITY, n=8, **fields)
    three = client.choices(CITY, n=3, **fields)
    assert len({tuple(each.token_ids) for each in eight}) == 8
    for one, other in zip(three, eight):
        assert one.text == other.text and one.token_ids == other.token_ids
        assert all(map(same_bits, one.logprobs, other.logprobs))
    assert alone.token_ids == eight[0].token_ids
    assert all(map(same_bits, alone.logprobs, eight[0].logprobs))
    assert eight[0].started.sampling.n == 8
    assert [each.finished.generated_tokens for each in eight] == [30] * 8
    assert eight[0].summary.generated_tokens == 240
    assert eight[0].summary.prompt_tokens == alone.summary.prompt_tokens
    assert client.info().engine.slots_used == 0


def test_echo_sends_the_prompt_as_it_was_read(client):
    text = "Zürich<|endoftext|> 😀"
    answer = client.greedy(text, tokens=4, echo=True)
    assert answer.prompt_text == text
    assert answer.prompt_ids == client.tokenize(text)
    assert not answer.prompt_logprobs
    assert answer.token_ids == client.greedy(text, tokens=4).token_ids
    only = client.generate(text, max_new_tokens=0, echo=True)
    assert only.prompt_text == text and not only.deltas
    assert only.finished.reason == pb.FINISH_REASON_LENGTH
    assert only.finished.generated_tokens == only.summary.generated_tokens == 0


def test_a_prompt_as_long_as_allowed_comes_back_in_parts(client):
    ids = [(7 * i) % 4000 + 3 for i in range(32768)]
    answer = client.generate(ids, max_new_tokens=0, echo=True, timeout=300)
    assert answer.prompt_ids == ids
    assert answer.prompt_text == client.detokenize(ids, keep_special_tokens=True)


def test_log_probabilities_of_the_prompt_equal_hugging_face(client):
    golden = golden_json("prompt_logprobs/cases.json")
    for case in golden["cases"]:
        if case["order"] is not None:
            continue
        answer = client.generate(golden["token_ids"], max_new_tokens=0, prompt_logprobs=True,
                                 top_logprobs=5, adapter=adapter(case["adapter"]))
        assert not answer.prompt_text and not answer.prompt_ids
        scored = answer.prompt_logprobs
        assert [each.position for each in scored] == list(range(1, 80))
        assert [each.logprob.token_id for each in scored] == golden["token_ids"][1:]
        for each, logprob, top in zip(scored, case["logprobs"], case["top"]):
            assert each.logprob.logprob == pytest.approx(logprob, abs=1e-4)
            assert each.logprob.top[0].token_id == top[0][0]
            assert [one.logprob for one in each.logprob.top] == \
                pytest.approx([value for _, value in top], abs=1e-4)
            assert each.target_class == pb.TARGET_CLASS_CAUSAL


def test_log_probabilities_of_the_prompt_are_to_the_bit_those_of_perplexity(client):
    client.upload("backwards", list(range(40))[::-1])
    text = GREEDY["cases"][2]["prompt"] * 3
    for setting in (scan("backwards"), scan("backwards", layers=[0]), None):
        scored = client.generate(text, max_new_tokens=3, prompt_logprobs=True, echo=True,
                                 scan=setting).prompt_logprobs
        result = client.score([("text", text)], scan=setting, per_token=True)
        assert [-each.logprob.logprob for each in scored] == result.nlls[0]
        assert [each.target_class for each in scored] == result.classes[0]
        assert [each.position for each in scored] == result.positions[0]
    client.orders.DeleteScanOrder(orders_pb.DeleteScanOrderRequest(order=scan("backwards").setting.order),
                                   timeout=60)


def test_the_default_adapter_serves_requests_that_name_none(start_server, connect):
    client = connect(start_server(*ALL_ADAPTERS, "--default-adapter", "kjv"))
    assert client.info().default_adapter.name == "kjv"
    assert client.list_adapters().default_adapter.name == "kjv"
    case = next(each for each in GREEDY["cases"] if each["adapter"] == "kjv")
    named = client.greedy(case["prompt"], adapter=adapter("kjv"))
    unnamed = client.greedy(case["prompt"])
    base = client.greedy(case["prompt"], adapter=BASE)
    assert unnamed.token_ids == named.token_ids == case["continuation_ids"][:24]
    assert unnamed.started.in_force.adapter.name == "kjv"
    assert base.token_ids != named.token_ids


def test_eight_clients_at_once_get_to_the_bit_what_each_gets_alone(client, server, connect):
    cases = GREEDY["cases"]
    requests = [{"text": cases[i % 20]["prompt"] * (1 + i * 3), "seed": i, "top_logprobs": 3,
                 "adapter": adapter((None, "kjv", "devil")[i % 3]), "max_new_tokens": 16 + 5 * i,
                 "ignore_eos": True, "do_sample": i % 2 == 0} for i in range(8)]
    alone = [client.generate(**request) for request in requests]
    clients = [connect(server) for _ in requests]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            together = list(pool.map(lambda pair: pair[0].generate(**pair[1]),
                                     zip(clients, requests)))
            for one, other in zip(alone, together):
                assert one.text == other.text and one.token_ids == other.token_ids
                assert all(map(same_bits, one.logprobs, other.logprobs))


def test_a_cancelled_request_gives_its_slot_back(client):
    events = client.inference.Generate(
        generate_request(CITY, max_new_tokens=4096, ignore_eos=True), timeout=60)
    next(events)
    events.cancel()
    with pytest.raises(grpc.RpcError) as caught:
        list(events)
    assert caught.value.code() == grpc.StatusCode.CANCELLED
    wait_until(lambda: client.info().engine.slots_used == 0, "the slot's return")
