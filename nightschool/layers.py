"""Which linear layers of a decoder can get an adapter: one list for the trainer, which adapts them, and the engine.

The engine leaves every other layer alone without a word, so what is trained and what is served must agree. Embeddings,
heads and routers are no part of it.
"""

from typing import Final

ADAPTED_LAYERS: Final = (
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",  # Llama and most others
    "qkv_proj", "gate_up_proj",  # Phi-3: fused
    "dense", "fc1", "fc2",  # Phi
    "c_fc", "c_proj",  # StarCoder2
    "w1", "w2", "w3",  # Mixtral's experts, where they are layers of their own
)  # fmt: skip
