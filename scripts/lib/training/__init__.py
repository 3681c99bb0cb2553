"""What the supervised training steps share: examples as token ids, trainer settings, validation, resuming,
export."""
