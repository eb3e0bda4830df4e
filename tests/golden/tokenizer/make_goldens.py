#!/usr/bin/env python3
"""Writes the reference values beside it with Hugging Face's `tokenizers` library.

Usage: make_goldens.py, from anywhere; needs `pip install tokenizers`. Each file names the versions that
made it. The tests of core/model/tokenizer read them.
"""

import copy
import hashlib
import json
import platform
import random
import struct
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[2]
TOKENIZERS = {
    "scanserve-6m": "models/scanserve-6m/tokenizer.json",
    "gpt-neox-20b": "tests/data/gpt-neox-20b/tokenizer.json",
}
TEXT = "tests/data/wikitext-2/wiki.test.raw"
VERSIONS = {"tokenizers": tokenizers.__version__, "python": platform.python_version()}
BLOCK = 4096

HARD_TEXTS = [
    "", " ", "  ", "\n", "\n\n\n", "\n \n", " \n\n  \n", "\t", "\t\tx", "a\tb", "x  \t y", "\r\n", "a\r\nb\r\n\r\nc",
    "Hello, world!", " leading and trailing ", "many      spaces", " " * 23 + "x", " " * 24, " " * 25 + "y", " " * 60,
    "1", "12 345 6789012", "3.14159e-10", "x1y2", "\u0664\u0665\u0666", "\u00b2\u00bd\u2167", "\U0001d7d8\U0001d7ff",
    "I'm you're he's we'd they'll I've don't", "I'M YOU'RE HE'S WE'D THEY'LL I'VE DON'T", "'s't 's 't''s 'S",
    "it\u2019s they\u2019re", "' s", "''", "'ll'", "rock'n'roll", "a'\u017f",
    "\u00e9 e\u0301 \u00c5 A\u030a \u212b", "\u0300", "a\u0300\u0316\u0301", "a\u0316\u0300", "q\u0307\u0323", "\u1e0b\u0323",
    "\u0344 \u0958 \ufb2a \u2126 \u2adc", "\ufb01\ufb02 \u00bd \u2460 \uff21\uff42", "\u1100\u1161\u11a8 \uac00\u11a8 \uac01",
    "\u1100\u1161\u11a7\u11a8", "\u1112\u1161\u11ab\u1100\u1173\u11af", "\ud55c\uad6d\uc5b4",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002", "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8", "\u304b\u3099 \u30cf\u309a", "\uf900 \U0002f800",
    "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\U0001f3f3\ufe0f\u200d\U0001f308", "\U0001f44d\U0001f3fd!!",
    "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", "1\ufe0f\u20e3", "a\U0001f600b \U0001f600",
    "a\u000bb", "\u000b\u000b x", "a\u0085b", "\u0085\u0085 x", "a\u001cb", "\u001c\u001d\u001e\u001f x", " \u001c", "a\u00a0b", "\u00a0\u00a0c",
    "a\u3000b", "\u3000\u3000d", "\u1680\u2000\u200a\u2028\u2029\u202f\u205f x", "a\u200bb", "\ufeffx", "\u180e", "\u00ad",
    "\x00", "a\x00b", "\x7f\x80\x9f", "\ufffe\uffff", "\ufffd", "\ue000 \U000f0000", "\U0010ffff",
    "\u0378 \u0530 \U0001fffe", "\u0378\u0300", "\u08d3\u0300a\u08d3\u0316", "a\u0300\u08d3\u0316", "\u1c89\u1c8a \ua7cb", "\U000105c0\U00010d40",
    "x\U00010d4a1", "\U0002ebf0\U0002ee5d", "\U00013460 \U0001e5f1", "\U00011938\U00011930", "\U00011935\U00011930",
    "\u0915\u094d\u0937 \u0928\u092e\u0938\u094d\u0924\u0947", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u0651\u064e", "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "\u0420\u0443\u0441\u0441\u043a\u0438\u0439 \u0442\u0435\u043a\u0441\u0442", "\u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac \u1f00\u0301", "\u0130\u0131\u1e9e",
    "<|endoftext|>", "a<|endoftext|>b", " <|endoftext|> ", "<|endoftext|><|padding|>", "<|endoftext|", "<|endoftext|>\n", "<<|endoftext|>>",
    "<|ENDOFTEXT|>", "  <|padding|>  x", "<unk>", "a<unk>'s", "  <unk>", "x \u0301<unk>\u0301", "\u00e9<|endoftext|>e\u0301", "<|endoftext|>  <|endoftext|>",
    "def f(x):\n    return x  # note\n\n\tif y:\n        z = {'a': [1, 2]}\n", "http://a.b/c?d=e&f=g#h", "$%^&*()_+-=[]{}|;:,./<>?~`", "...---...", "!!!???",
    "a" * 300, "ab" * 200, "\u0300" * 200, "a" + "\u0316\u0300" * 100, "=" * 80, "\n" * 70, " \n" * 40, "9" * 50, "\U0001f600" * 30,
]

# Ranges of code points that random texts draw from.
POOLS = [
    [0x61, 0x7A], [0x41, 0x5A], [0x30, 0x39], [0x20, 0x20], [0x20, 0x20], [0x09, 0x0D], [0x27, 0x27], [0x21, 0x2F],
    [0x00, 0xFF], [0xC0, 0x24F], [0x300, 0x36F], [0x370, 0x52F], [0x590, 0x6FF], [0x8A0, 0x97F], [0x1100, 0x11FF],
    [0x1C80, 0x1CFF], [0x1DC0, 0x1EFF], [0x1F00, 0x20FF], [0x2100, 0x218F], [0x2FF0, 0x30FF], [0xAC00, 0xD7A3], [0x4E00, 0x9FFF],
    [0xA700, 0xA7FF], [0xF900, 0xFB4F], [0xFF00, 0xFFEF], [0x0, 0xD7FF], [0xE000, 0xFFFF], [0x10000, 0x11FFF], [0x1D100, 0x1D7FF],
    [0x1E000, 0x1EFFF], [0x1F300, 0x1FAFF], [0x2E000, 0x30000], [0x10000, 0x10FFFF],
]

TIKTOKEN_100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TIKTOKEN_200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def byte_level(**fields):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True, **fields}


def sequence(*parts):
    return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": list(parts)}}


def split(kind, pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def added(id, content, **flags):
    fields = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    return {"id": id, "content": content, **fields, **flags}


def added_tokens():
    base = json.loads((ROOT / TOKENIZERS["scanserve-6m"]).read_text())["added_tokens"]
    return {
        "added_tokens": base
        + [
            added(4096, "QQ", single_word=True),
            added(4097, "QQQ", lstrip=True, rstrip=True),
            added(4098, "  Z"),
            added(4099, "ZZ", rstrip=True, special=True),
            added(4100, "<m>", lstrip=True, normalized=True),
            added(4101, "e\u0301", normalized=True),
            added(4102, "e\u0301x"),
            added(4103, "\u65e5\u672c", normalized=True, single_word=True, special=True),
            added(4104, "   ", normalized=True),
            added(4105, "\u0120\u00e9"),
            added(4106, "E\u0301", normalized=True, special=True),
            added(1298, json_token(1298), normalized=True),
        ]
    }


def json_token(id):
    return Tokenizer.from_file(str(ROOT / TOKENIZERS["scanserve-6m"])).id_to_token(id)


ADDED_TEXTS = [
    "QQ", "aQQ", "QQ QQ", "QQQ", "a  QQQ  b", "QQQQ", "QQQQQ", "QQ.QQ", "QQ\u0301", "\u200dQQ", "_QQ", "\u00b2QQ", "\u24b6QQ",
    "aZZ  Z b", "ZZ \n\u3000x", "ZZ\u001c", "ZZ\u0085\u000bx", " \u00a0<m>", "x <m><m>  <m>", "\u00e9", "e\u0301", "e\u0301x", "\u00e9x", "e\u0323\u0301",
    "a\u65e5\u672cb", "a \u65e5\u672c b", "\u65e5\u672c\u65e5\u672c", "\u65e5\u672c", "a   b", "a    b", "      ", "\u0120\u00e9", "\u0120e\u0301", "<unk>QQ", "QQ<unk> QQ",
    "  QQQ<|padding|>  QQQ", "ZZ   QQQ", "\U00010d4aQQ", "the thing", "\U000113b8QQ", "\u0897QQ", "E\u0301 \u00c9x",
]

TINY = {
    "version": "1.0",
    "added_tokens": [added(7, "<u>", special=True)],
    "normalizer": None,
    "pre_tokenizer": byte_level(),
    "decoder": byte_level(),
    "model": {
        "type": "BPE", "unk_token": "<u>", "fuse_unk": False, "byte_fallback": False,
        "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4, "abc": 5, "\u0120": 6, "<u>": 7, "\u0120a": 8, "<u>a": 9},
        "merges": ["b c", "a b", "a bc", "\u0120 a", "<u> a"],
    },
}


def tiny(**model):
    result = copy.deepcopy(TINY)
    result["model"].update(model)
    return result


TINY_TEXTS = ["abc", "ab", "abcabc", "aabbcc", "xyz", "xabcx", " a", "xxa", "a\u00e9b", "<u>a", "  a", "xxxx abc"]


def variants():
    whole = byte_level(use_regex=False)
    yield "without a normalizer", {"normalizer": None}, HARD_TEXTS
    for form in ("NFD", "NFKC", "NFKD"):
        yield form, {"normalizer": {"type": form}}, HARD_TEXTS
    forms = [{"type": "NFKD"}, {"type": "Sequence", "normalizers": [{"type": "NFC"}]}]
    yield "normalizers in sequence", {"normalizer": {"type": "Sequence", "normalizers": forms}}, HARD_TEXTS
    yield "prefix space", {"pre_tokenizer": byte_level(add_prefix_space=True)}, HARD_TEXTS
    yield "one word", {"pre_tokenizer": whole}, HARD_TEXTS
    yield "ignore_merges", {"model": {"ignore_merges": True, "merges": []}}, HARD_TEXTS
    yield "digits", sequence({"type": "Digits", "individual_digits": False}, byte_level()), HARD_TEXTS
    yield "single digits", sequence({"type": "Digits", "individual_digits": True}, byte_level()), HARD_TEXTS
    yield "100k pattern", sequence(split("Regex", TIKTOKEN_100K), whole), HARD_TEXTS
    yield "200k pattern", sequence(split("Regex", TIKTOKEN_200K), whole), HARD_TEXTS
    prefixed = byte_level(add_prefix_space=True)
    yield "nested", sequence({"type": "Sequence", "pretokenizers": [split("String", "e")]}, prefixed), HARD_TEXTS
    for behavior in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        for invert in (False, True):
            for kind, pattern in (("String", " "), ("Regex", r"\d|[\s\-_]"), ("Regex", r"[a-f\p{P}]+|x*")):
                name = f"{kind} {pattern} {behavior} {invert}"
                yield name, sequence(split(kind, pattern, behavior, invert), whole), HARD_TEXTS[:60]
    yield "added tokens", added_tokens(), HARD_TEXTS + ADDED_TEXTS
    yield "added tokens, prefix space", {**added_tokens(), "pre_tokenizer": prefixed}, ADDED_TEXTS


def merge_patch(target, patch):  # RFC 7386
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def encodings(tokenizer, texts):
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        decoded = tokenizer.decode(ids, skip_special_tokens=False)
        yield {"text": text, "ids": ids, "decoded": decoded, "skipped": tokenizer.decode(ids, skip_special_tokens=True)}


def hard_cases(loaded):
    cases = []
    for name, tokenizer in loaded.items():
        cases.append({"name": name, "base": name, "encodings": list(encodings(tokenizer, HARD_TEXTS))})
    base = json.loads((ROOT / TOKENIZERS["scanserve-6m"]).read_text())
    for name, patch, texts in variants():
        tokenizer = Tokenizer.from_str(json.dumps(merge_patch(base, patch)))
        cases.append({"name": name, "base": "scanserve-6m", "patch": patch, "encodings": list(encodings(tokenizer, texts))})
    for name, document in {
        "tiny, unknown": tiny(), "tiny, unknown fused": tiny(fuse_unk=True), "tiny, unknown dropped": tiny(unk_token=None),
        "tiny, merges repeated": tiny(merges=["a b", "b c", "a bc", "a b"]),
        "tiny, merges as pairs": tiny(merges=[["b", "c"], ["a", "b"], ["ab", "c"]]),
    }.items():
        tokenizer = Tokenizer.from_str(json.dumps(document))
        cases.append({"name": name, "json": document, "encodings": list(encodings(tokenizer, TINY_TEXTS))})
    return {"versions": VERSIONS, "cases": cases}


def decodings(loaded):
    generator = random.Random(7)
    cases = []
    for name, tokenizer in loaded.items():
        size = tokenizer.get_vocab_size()
        for _ in range(300):
            low = generator.random() < 0.5  # the low ids are single bytes
            ids = [generator.randrange(300 if low else size + 20) for _ in range(generator.randrange(1, 14))]
            texts = [tokenizer.decode(ids, skip_special_tokens=skip) for skip in (False, True)]
            cases.append({"base": name, "ids": ids, "decoded": texts[0], "skipped": texts[1]})
    replaced = []
    for _ in range(400):
        pool = [0x41, 0x7F, 0x80, 0xBF, 0x90, 0xA0, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xC0, 0x8F, 0x9F]
        data = bytes(generator.choice(pool) for _ in range(generator.randrange(1, 10)))
        replaced.append({"hex": data.hex(), "text": data.decode("utf-8", "replace")})
    return {"versions": VERSIONS, "decodings": cases, "replacements": replaced}


def digest(lists):
    sha = hashlib.sha256()
    for ids in lists:
        sha.update(struct.pack(f"<{len(ids) + 1}i", len(ids), *ids))
    return sha.hexdigest()


def whole_text(loaded):
    text = (ROOT / TEXT).read_bytes().decode()
    result = {"versions": VERSIONS, "text": TEXT, "block": BLOCK, "tokenizers": {}}
    for name, tokenizer in loaded.items():
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        blocks = [digest([ids[i : i + BLOCK]]) for i in range(0, len(ids), BLOCK)]
        result["tokenizers"][name] = {"count": len(ids), "blocks": blocks}
    return result


class Congruential:
    """Knuth's MMIX generator; the test draws the same texts."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % limit

    def text(self):
        characters = []
        pools = [self.below(len(POOLS)) for _ in range(1 + self.below(4))]
        for _ in range(1 + self.below(40)):
            first, last = POOLS[pools[self.below(len(pools))]]
            characters.append(first + self.below(last - first + 1))
        return "".join(map(chr, characters))


def random_texts(loaded):
    result = {"versions": VERSIONS, "pools": POOLS, "block": 50, "cases": []}
    base = json.loads((ROOT / TOKENIZERS["scanserve-6m"]).read_text())
    runs = [(name, name, None, tokenizer) for name, tokenizer in loaded.items()]
    for name, patch, _ in variants():
        if name in ("NFD", "NFKC", "NFKD", "single digits", "100k pattern", "200k pattern", "added tokens"):
            runs.append((name, "scanserve-6m", patch, Tokenizer.from_str(json.dumps(merge_patch(base, patch)))))
    for seed, (name, base_name, patch, tokenizer) in enumerate(runs):
        generator = Congruential(seed)
        texts = [generator.text() for _ in range(3000)]
        ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        blocks = [digest(ids[i : i + 50]) for i in range(0, len(ids), 50)]
        result["cases"].append({"name": name, "base": base_name, "patch": patch or {}, "seed": seed, "blocks": blocks})
    return result


def ranges(members):
    result = []
    for c in members:
        if result and result[-1][1] + 1 == c:
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def classes():
    everything = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]

    def matches(pattern):
        splitter = pre_tokenizers.Split(Regex(pattern), "removed")
        members = []
        for i in range(0, len(everything), 2048):
            chunk = everything[i : i + 2048]
            left = set()
            for _, (begin, end) in splitter.pre_tokenize_str("".join(map(chr, chunk))):
                left.update(range(begin, end))
            members += [c for k, c in enumerate(chunk) if k not in left]
        return ranges(members)

    digits = pre_tokenizers.Digits(individual_digits=True)
    guarded = Tokenizer(models.BPE(vocab={"x": 0}, merges=[]))
    guarded.add_tokens([AddedToken("@@", normalized=False, single_word=True)])
    stripping = Tokenizer(models.BPE(vocab={"x": 0}, merges=[]))
    stripping.add_tokens([AddedToken("@@", normalized=False, rstrip=True)])
    return {
        "versions": VERSIONS,
        "letter": matches(r"\p{L}"),
        "number": matches(r"\p{N}"),
        "space": matches(r"\s"),
        "numeric": ranges(c for c in everything if len(digits.pre_tokenize_str("a" + chr(c))) == 2),
        "word": ranges(c for c in everything if 1 not in guarded.encode(chr(c) + "@@").ids),
        "stripped": ranges(c for c in everything if stripping.encode("@@" + chr(c)).offsets[0][1] == 3),
    }


def write(name, document):
    text = json.dumps(document, separators=(",", ":")).replace('},{"', '},\n{"')
    (FOLDER / name).write_text(text + "\n")
    print(name, len(text))


def main():
    loaded = {name: Tokenizer.from_file(str(ROOT / path)) for name, path in TOKENIZERS.items()}
    write("encodings.json", hard_cases(loaded))
    write("decodings.json", decodings(loaded))
    write("whole_text.json", whole_text(loaded))
    write("random_texts.json", random_texts(loaded))
    write("classes.json", classes())


if __name__ == "__main__":
    main()
