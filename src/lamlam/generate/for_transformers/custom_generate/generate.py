"""What transformers runs for `model.generate(..., custom_generate=lamlam.generate.CUSTOM_GENERATE)`."""

from lamlam.generate.transformers_loop import generate

__all__ = ["generate"]
