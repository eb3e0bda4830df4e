"""Greedy continuations of the embedded model, with and without the kjv adapter."""

import hugging_face
from golden_files import GOLDEN, save_json

NEW_TOKENS = 64
PROMPTS = [
    "The",
    "In 2006, Boulter starred alongside",
    "= Robert Boulter =\nRobert Boulter is an English film, television and theatre actor.",
    "The river rises in the mountains and flows",
    "The ship was built in",
    "He was born in London and",
    "During the war, the army",
    "The album received mixed reviews from critics, who",
    "= = = Early life = = =\n",
    "It is found in North America, where it lives in forests and",
    "Du Fu (Wade – Giles: Tu Fu; Chinese: 杜甫; 712 – 770) was a prominent Chinese poet",
    "The temperature fell to −12 °C (10 °F) in January",
    "Kraków, São Paulo and Zürich are",
    'She said: "I do not know what',
    "The first season began on September 24, 2007, and ended",
    "And it came to pass in those days, that",
    "The king and the people of the land went up to",
    "A man is known by the company",
    "The song is a pop ballad written in the key of",
    "100, 200, 300, 400,",
]
KJV_PROMPTS = [0, 3, 15, 16, 17]


def continuations(adapter, prompts):
    model, tokenizer = hugging_face.load_embedded(adapter), hugging_face.load_tokenizer()
    cases = []
    for prompt in prompts:
        prompt_ids = tokenizer.encode(prompt).ids
        ids, gaps, _ = hugging_face.greedy(hugging_face.Continuation(model, prompt_ids), NEW_TOKENS)
        cases.append(
            {
                "adapter": adapter,
                "prompt": prompt,
                "prompt_ids": prompt_ids,
                "continuation_ids": ids,
                "gaps": gaps,
                "text": tokenizer.decode(ids, skip_special_tokens=False),
            }
        )
        print(f"greedy {adapter or 'base'}: {len(prompt_ids)} tokens, smallest gap {min(gaps):.4f}")
    return cases


def main():
    cases = continuations(None, PROMPTS) + continuations("kjv", [PROMPTS[i] for i in KJV_PROMPTS])
    settings = {
        "max_new_tokens": NEW_TOKENS,
        "ignore_eos": True,
        "suppress_tokens": hugging_face.SUPPRESSED,
    }
    save_json(GOLDEN / "greedy" / "continuations.json", settings | {"cases": cases})


if __name__ == "__main__":
    main()
