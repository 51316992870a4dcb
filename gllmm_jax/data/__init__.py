"""Training photographs: the package finds, splits and decodes them, and cuts them into batches."""
