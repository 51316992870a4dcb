#!/usr/bin/env bash
# A slice of a TPU pod: experiments/launch/tpu_pod.sh NAME ZONE /mnt/photographs
# The same command on every host of the slice; the pod tells each who the others are. Photographs and workdir are
# on a disk that all hosts see (a mounted bucket or a file store).
set -euo pipefail
gcloud compute tpus tpu-vm ssh "$1" --zone "$2" --worker=all --command \
  "gllmm-jax train --distributed --data '$3' --preset gllmm-128 --lmbda 0.0075 --workdir /mnt/runs/gllmm-128 \
   --batch 128 --crop 256 --learning-rate 4e-4 --steps 100000"
