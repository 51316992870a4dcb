"""Pictures to bytes and back: the codec itself, its transforms, and what it tells of each picture."""
