"""Several training processes on this machine, as on several: to see that a launch works before it is paid for.

    python experiments/launch/local.py 2 -- --data PHOTOGRAPHS --preset light --lmbda 0.013 --workdir W --steps 200

What follows `--` is for `gllmm-jax train`. Each process has one device, a share of this machine's processor; they talk
over the loopback (JAX's own Gloo collectives). The first that fails, or Ctrl-C, ends all.
"""

import argparse
import os
import socket
import subprocess
import sys
import time


def launch(count: int, arguments: list[str]) -> int:
    """Start `count` processes and wait: the first exit status that is not 0, or 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "gllmm_jax", "train", *arguments]
    command += ["--coordinator", address, "--processes", str(count)]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    processes = [subprocess.Popen([*command, "--process", str(i)], env=environment) for i in range(count)]
    try:
        while not any(codes := [process.poll() for process in processes]) and None in codes:
            time.sleep(0.1)
        for process in processes:
            process.terminate()  # saves and ends
    except KeyboardInterrupt:
        pass  # the terminal has told them too, and a second signal would not let them save
    return next((code for code in [process.wait() for process in processes] if code), 0)


def main() -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("count", type=int, help="processes")
    parser.add_argument("arguments", nargs="+", help="of gllmm-jax train, after --")
    arguments = parser.parse_args()
    return launch(arguments.count, arguments.arguments)


if __name__ == "__main__":
    sys.exit(main())
