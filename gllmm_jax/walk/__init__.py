"""The one walk: loops that take latents through any entropy model, and the streams made that way."""
