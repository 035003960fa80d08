"""What to try, for each cause that `audit_masks` can name."""

from maskprobe.words import N_

ADVICE = {
    "sound": "",
    "not measured": N_("Try: what the message says; until then nothing is known about this model."),
    "no mask": (
        N_(
            "Try: make a mask, `Embedding(..., mask_zero=True)` for ids, "
            "`Masking(mask_value=...)` for features; or compute it, `ids != 0`, and pass "
            "it on as `mask=` or `attention_mask=`."
        )
    ),
    "wanted not declared": (
        N_(
            "Try: make {where} mask what is padding and nothing else. Ids: is the padding "
            "0, as `mask_zero` takes it? Features: does a padded step still hold the "
            "`mask_value`, or was the data scaled after it was padded? A mask by hand: is "
            "it computed from the right input?"
        )
    ),
    "real steps masked": (
        N_(
            "Try: keep the pad value for padding. Ids: unknown words need an id of their "
            "own (`StringLookup(mask_token='')`), and 0 stays for padding. Features: a "
            "`mask_value` that no real step can hold."
        )
    ),
    "inverted": (
        N_(
            "Try: turn the mask round before {where}, `keras.ops.logical_not(mask)`. In "
            "Keras True is keep; an additive mask (0 and -1e9) is cast to booleans and so "
            "reversed, too."
        )
    ),
    "dropped": (
        N_(
            "Try: pass the mask by hand behind {where}: `mask=mask`, or "
            "`attention_mask=mask[:, None, :]`; or a layer in place of the operation "
            "(`Add()` for `+`); or, in a layer of your own, `self.supports_masking = "
            "True`."
        )
    ),
    "unused": (
        N_(
            "Try: give {where} its mask. An RNN with `initial_state` wants `mask=mask` in "
            "its call; `GlobalMaxPooling1D` and convolutions want padded steps put to -1e9 "
            "or 0 before them; a layer of your own wants `mask=None` in its `call`, and to "
            "use it."
        )
    ),
    "changed": (
        N_(
            "Try: look at `compute_mask` of {where}. Merging with a branch that has no "
            "mask keeps every step: give each branch its mask."
        )
    ),
    "positions": (
        N_(
            "Try: count positions over real steps only, `cumsum(mask) - 1`, so that a word "
            "has the same position however much padding stands before it; or pad behind "
            "the words."
        )
    ),
    "misused": (
        N_(
            "Try: look at how {where} uses its mask: a mean divides by the number of kept "
            "steps, a softmax masks before it and along time. Look, too, for a second path "
            "past the mask."
        )
    ),
    "look-ahead": (
        N_(
            "Try: `use_causal_mask=True` at {where}; by hand, step t may see step s where "
            "s <= t: `attention_mask = mask[:, None, :] & (steps[:, None] >= steps)`."
        )
    ),
    "rows depend": (
        N_(
            "Try: look for what mixes rows: a reshape where a transpose is meant, batch "
            "normalisation in training mode, a capacity shared by the batch. A batch of "
            "one is right then."
        )
    ),
    "constant": (
        N_(
            "Try: ask whether the model can tell anything apart. A softmax over one value "
            "is 1 everywhere; so may one be over the wrong axis."
        )
    ),
    "unknown": (
        N_(
            "Try: look whether the mask is made, handed to every layer that mixes steps, "
            "and of the polarity that is wanted there (in PyTorch `key_padding_mask` True "
            "is ignore)."
        )
    ),
    "loss": (
        N_(
            "Try: `sample_weight=mask` with `reduction='mean_with_sample_weight'`, or let "
            "the output carry the mask to the loss; a loss of your own divides by the "
            "number of kept steps."
        )
    ),
}
