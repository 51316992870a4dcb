"""The walk: loops that code the latents group by group under any entropy model, and the streams that hold them."""
