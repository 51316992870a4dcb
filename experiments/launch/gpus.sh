#!/usr/bin/env bash
# One machine with any number of GPUs: one process sees them all, and a batch is shared out among them.
# The batch has to divide by their number. CUDA_VISIBLE_DEVICES=0,1 takes some of them only.
set -euo pipefail
gllmm-jax train --data "$1" --preset gllmm-128 --lmbda 0.0075 --workdir runs/gllmm-128 \
  --batch 32 --crop 256 --learning-rate 2e-4 --steps 400000
