"""Makes every golden value anew: about 10 minutes, and 25 for the perplexity of the corpus."""

import make_checkpoints
import make_corpus_perplexity
import make_greedy
import make_hidden
import make_latency_statistics
import make_logits
import make_permuted
import make_perplexity
import make_prompt_logprobs
import make_sampling
import make_tours

# make_permuted reads what make_checkpoints wrote.
THEMES = [
    make_logits,
    make_checkpoints,
    make_greedy,
    make_permuted,
    make_hidden,
    make_perplexity,
    make_prompt_logprobs,
    make_sampling,
    make_corpus_perplexity,
    make_latency_statistics,
    make_tours,
]


if __name__ == "__main__":
    for theme in THEMES:
        theme.main()
