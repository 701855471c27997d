"""Every skip of PEFT's own tests over our methods, each with its reason. Any other skip fails the run."""

import re

# what a skipped test says, in PEFT's words or our plugin's -> why that is right
REASONS = {
    "^not linear$": "not linear, so it cannot be merged: the refusal is held by tests/contracts/test_adapters.py",
    "^adds a constant": "adds a constant, and the layer has no bias to merge it into: refused, as the contracts test",
    "does not support the 'bias' argument": "has no option `bias`, as most of PEFT's methods have none: a TypeError",
    "support training the bias directly|^Testing bias warnings only for": "has no option `bias`",
    "^This test does not apply to|only for prompt learning": "about prompt learning",
    "^Test not applicable for": "about prompt learning, or weighted sums of LoRA and IA3",
    "^fetches from the hub$": "fetches rows, a model or a tokenizer from the hub, which these tests do not reach",
    "^Multiple active adapters with modules_to_save": "PEFT allows one active adapter with modules_to_save",
}
# tests skipped by name: a pattern of their id -> why
SKIPS = {
    "TestMixedAdapterBatches.*mha_raises": "targets torch's MultiheadAttention, which is no linear layer: refused",
    "test_generate_with_mixed_adapter_batches.*(qwthn|qtha|quanta)": (
        "makes each weight 10 times larger: a product of eight factors becomes 10^7 beside the base and rounding "
        "decides; tests/contracts/test_adapters.py compares beam searches of mixed batches"
    ),
    "test_generate_with_mixed_adapter_batches.*apc": (
        "its output is bounded: ten times its weights change none of these few tokens; the contracts compare logits"
    ),
    "mixed_adapter_batches.*bitfit.*OPTForCausalLM": (
        "OPT's feed-forward layers see rows and tokens as one axis, so that a row's adapter cannot be chosen: refused"
    ),
    "TestPeftFeatureExtractionModel.*test_training.*bitfit": "the pooler's bias is trained, and no loss sees it",
    "TestMixedAdapterBatches.*timing": "compares times on a GPU",
    "TestMixedAdapterBatches.*merged_raises.(apc|qwthn|qtha|qwthn polynomial).$": "not linear",
    "TestDefaultTargetModules": "targets left open are found by looking at the model, not in a table of PEFT's",
}
REASONS |= {f"^{re.escape(reason)}$": reason for reason in SKIPS.values() if reason != "not linear"}
