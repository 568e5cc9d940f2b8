"""Plans of a model: read out of whatever it answered, and mended until they can be used, each loss named."""
