"""Picture to bytes and back, exactly: integer networks, schedules, entropy coders, the container."""
