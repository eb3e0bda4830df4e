"""What a scan order means: effective order, read sets and token classes, in plain Python."""

NATURAL_LAST = "NATURAL_LAST"
PIN_LAST = "PIN_LAST"


def effective_order(order, length, readout=NATURAL_LAST):
    """The permutation of 0..length-1 in which a prompt of `length` tokens is scanned."""
    fitted = [position for position in order if position < length]
    fitted += range(len(order), length)
    if readout == PIN_LAST:
        fitted.remove(length - 1)
        fitted.append(length - 1)
    return fitted


def read_set(position, order, target_layers, layer_count):
    """The positions that the logits at `position` depend on; `order` is effective."""
    scanned_at = {token: step for step, token in enumerate(order)}
    reads = {position}
    for layer in reversed(range(layer_count)):
        if layer in target_layers:
            latest = max(scanned_at[token] for token in reads)
            reads |= set(order[: latest + 1])
        else:
            reads |= set(range(max(reads) + 1))
    return reads


def token_class(target, order, target_layers, layer_count):
    """The class of token `target`, predicted by the logits at `target` - 1."""
    reads = read_set(target - 1, order, target_layers, layer_count)
    if target in reads:
        return "leaked"
    return "lookahead" if max(reads) > target else "causal"
