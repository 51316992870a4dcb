"""Pictures on disk: formats, profiles and depths, to and from uint8 arrays."""
