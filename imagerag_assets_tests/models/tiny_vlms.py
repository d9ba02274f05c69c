"""Vision-language models of a few kilobytes, made in the test: real architectures and processors, random weights.

A model that `says` something has its last layer set by hand so that it answers any prompt with that text. It sees as
little as the random ones, and speaks as a real one would.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

_TEXT = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "max_position_embeddings": 16384, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "tie_word_embeddings": False,
}  # fmt: skip
_SPECIALS = ("<pad>", "<s>", "</s>")
_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: "
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}IMAGE{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "{% endif %}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)


def _tokenizer(specials: list[str], says: str, **named: Any) -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[*_SPECIALS, *specials],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    made.train_from_iterator(["a blue part on a white table"] * 3, trainer)
    if says:
        made.add_tokens([AddedToken(says, normalized=False)])
    tokens = dict(zip(("pad_token", "bos_token", "eos_token"), _SPECIALS, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=made, **tokens, **named)  # type: ignore[no-untyped-call]


def _let_it_say(model: Any, tokenizer: Any, says: str) -> None:
    """Any token is followed by the one that is the whole answer, and that by the end."""
    import torch

    answer = tokenizer.convert_tokens_to_ids(says)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")) and "vision" not in name:
                weights.zero_()
        embeddings, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
        embeddings.zero_()
        embeddings[:, 0] = 1.0
        embeddings[answer, 0], embeddings[answer, 1] = 0.0, 1.0
        head.zero_()
        head[answer, 0] = head[tokenizer.eos_token_id, 1] = 10.0


def _save(folder: Path, model: Any, processor: Any, says: str) -> Path:
    if says:
        _let_it_say(model, processor.tokenizer, says)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def llava(folder: Path, says: str = "") -> Path:
    """CLIP's vision tower before a Llama."""
    import torch
    from transformers import CLIPImageProcessorPil, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

    tokenizer = _tokenizer(["<image>"], says)
    vision = {
        "model_type": "clip_vision_model", "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": 28, "patch_size": 14,
    }  # fmt: skip
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=vision,
            text_config={"model_type": "llama", "vocab_size": len(tokenizer), **_TEXT},
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        )
    )
    processor = LlavaProcessor(  # type: ignore[no-untyped-call]
        CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}), tokenizer,
        patch_size=14, vision_feature_select_strategy="default", num_additional_image_tokens=1,
        chat_template=_TEMPLATE.replace("IMAGE", "<image>"),
    )  # fmt: skip
    return _save(folder, model, processor, says)


def qwen2_vl(folder: Path, says: str = "") -> Path:
    """Patches of any number before a Qwen2. Its processor needs torchvision, for videos."""
    import torch
    from transformers import (
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )

    names = ("vision_start", "vision_end", "image_pad", "video_pad")
    tokenizer = _tokenizer([f"<|{name}|>" for name in names], says)
    ids = {f"{name.removesuffix('_pad')}_token_id": tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in names}
    vision = {
        "depth": 2, "embed_dim": 16, "hidden_size": 16, "num_heads": 2, "mlp_ratio": 2, "patch_size": 14,
        "spatial_merge_size": 2, "temporal_patch_size": 2, "in_channels": 3,
    }  # fmt: skip
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    text = {"vocab_size": len(tokenizer), "rope_parameters": rope, **_TEXT}
    torch.manual_seed(0)
    model = Qwen2VLForConditionalGeneration(Qwen2VLConfig(vision_config=vision, text_config=text, **ids))
    processor = Qwen2VLProcessor(  # type: ignore[no-untyped-call]
        Qwen2VLImageProcessor(size={"shortest_edge": 28 * 28, "longest_edge": 112 * 112}), tokenizer,
        Qwen2VLVideoProcessor(),
        chat_template=_TEMPLATE.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )  # fmt: skip
    return _save(folder, model, processor, says)


def internvl(folder: Path, says: str = "") -> Path:
    """InternViT before a Qwen2. Its processor needs torchvision, for videos."""
    import torch
    from transformers import (
        GotOcr2ImageProcessor,
        InternVLConfig,
        InternVLForConditionalGeneration,
        InternVLProcessor,
        InternVLVideoProcessor,
    )

    named = {
        "start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }  # fmt: skip
    tokenizer = _tokenizer(list(named.values()), says, extra_special_tokens=named)
    vision = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "image_size": [28, 28], "patch_size": [7, 7],
    }  # fmt: skip
    torch.manual_seed(0)
    model = InternVLForConditionalGeneration(
        InternVLConfig(
            vision_config=vision,
            text_config={"model_type": "qwen2", "vocab_size": len(tokenizer), **_TEXT},
            image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
            image_seq_length=4,
            tie_word_embeddings=False,
        )
    )
    processor = InternVLProcessor(
        GotOcr2ImageProcessor(size={"height": 28, "width": 28}), tokenizer, InternVLVideoProcessor(),
        image_seq_length=4, chat_template=_TEMPLATE.replace("IMAGE", "<IMG_CONTEXT>\n"),
    )  # fmt: skip
    return _save(folder, model, processor, says)


FAMILIES: dict[str, Callable[..., Path]] = {"llava": llava, "qwen2_vl": qwen2_vl, "internvl": internvl}
