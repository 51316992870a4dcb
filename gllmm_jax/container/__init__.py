"""The `.gllm` file: header, stream and checksums, to and from bytes."""
