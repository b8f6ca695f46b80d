"""A model file of our own, some megabytes large: llama.cpp runs it like any other, and it says what a test tells it to.

Its embeddings name each token, its attention adds nothing, and its last matrix says for each token which ones may come next: a chain of
words. Which chain it begins with is for its chat template to say, which counts what was said before.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import gguf
import numpy as np

_HEAD: Final = 64
_SURE: Final = 4.0
_TEMPLATE: Final = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "<|answer{{ messages | selectattr('role', 'equalto', 'assistant') | list | length }}|>"
)
"""Ends with a token that stands for how many answers there were before."""


def write(path: Path, answers: Sequence[Sequence[Sequence[str]]]) -> Path:
    """A model whose nth answer is the nth of these: places, at each of which one of the texts comes, all equally likely."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 2, *[gguf.TokenType.BYTE] * 256]
    spelling, follows = len(tokens), dict[int, list[int]]()
    for number, answer in enumerate(answers):
        before = [len(tokens)]
        tokens.append(f"<|answer{number}|>")
        kinds.append(gguf.TokenType.CONTROL)
        for place in answer:
            here = [len(tokens) + index for index in range(len(place))]
            tokens += [text.replace(" ", "▁") for text in place]
            kinds += [gguf.TokenType.NORMAL] * len(place)
            follows |= dict.fromkeys(before, here)
            before = here
        follows |= {token: [2] for token in before}
    size = -(-len(tokens) // _HEAD) * _HEAD
    writer = gguf.GGUFWriter(path, "llama")
    _shape(writer, size)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0 if index < spelling else -1.0 for index in range(len(tokens))])
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_space_prefix(value=False)
    writer.add_chat_template(_TEMPLATE)
    for name, weights in _weights(size, len(tokens), follows).items():
        writer.add_tensor(f"{name}.weight", weights)
    _save(writer)
    return path


def _save(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _shape(writer: gguf.GGUFWriter, size: int) -> None:
    writer.add_context_length(65_536)
    writer.add_embedding_length(size)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(size // _HEAD)
    writer.add_head_count_kv(size // _HEAD)
    writer.add_rope_dimension_count(_HEAD)
    writer.add_layer_norm_rms_eps(1e-5)


def _weights(size: int, tokens: int, follows: dict[int, list[int]]) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    output = np.zeros((tokens, size), np.float32)
    for token, following in follows.items():
        output[following, token] = _SURE
    nothing = {
        f"blk.0.{name}": np.zeros(shape, np.float32)
        for name, shape in {
            "attn_q": (size, size),
            "attn_k": (size, size),
            "attn_v": (size, size),
            "attn_output": (size, size),
            "ffn_gate": (32, size),
            "ffn_up": (32, size),
            "ffn_down": (size, 32),
        }.items()
    }
    ones = {name: np.ones(size, np.float32) for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm")}
    return {"token_embd": np.eye(tokens, size, dtype=np.float32), "output": output, **nothing, **ones}
