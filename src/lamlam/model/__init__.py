"""Tokenizers, model shapes, and checkpoints, all of them plain transformers ones."""

from lamlam.model.checkpoint import load_model, save_model
from lamlam.model.presets import PRESETS, new_llama, new_model, preset_config
from lamlam.model.tokenizer import END_OF_TEXT, LookupTokenizer, add_lookup_tokens, train_tokenizer

__all__ = [
    "END_OF_TEXT",
    "PRESETS",
    "LookupTokenizer",
    "add_lookup_tokens",
    "load_model",
    "new_llama",
    "new_model",
    "preset_config",
    "save_model",
    "train_tokenizer",
]
