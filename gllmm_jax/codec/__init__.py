"""Pictures to bytes and back: the codec, its transforms, and its report on each picture."""
