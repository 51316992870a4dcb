"""The cost of a model: multiplications, counted in its programs, and seconds of its stages.

`gllmm-jax cost` shows both for a model. `python -m gllmm_jax.evaluate.cost` shows the multiplications of every preset.
"""

import functools
import math
import statistics
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.config import HYPER_STRIDE, TAPS, TRANSFORMS, ModelConfig
from gllmm_jax.nn.model import Model, apply, init_params
from gllmm_jax.nn.progressive import calls
from gllmm_jax.nn.quality import at_quality
from gllmm_jax.nn.space_channel import features
from gllmm_jax.order.schedule import wavefront
from gllmm_jax.presets import PRESETS

if TYPE_CHECKING:
    from gllmm_jax.codec.codec import Codec

TRANSFORM, HYPER = ("analysis", "synthesis"), "hyper_analysis"


class Stage(NamedTuple):
    """A stage of `Codec.encode` or `Codec.decode`: its networks and their kMAC a pixel.

    `seconds` is None if there is no codec to time. The stages "entropy" include the coder and the quantisation.
    """

    call: str
    name: str
    networks: tuple[str, ...]
    kmac: float
    seconds: float | None


def _multiply_adds(jaxpr: Any) -> int:
    """Multiplications of all convolutions and products in a jaxpr, without the zeros that an up-convolution inserts."""
    total = 0
    for eqn in jaxpr.eqns:
        out = eqn.outvars[0].aval
        if eqn.primitive.name == "conv_general_dilated":
            kernel = eqn.invars[1].aval.shape
            total += math.prod(out.shape) * math.prod(kernel[:-1]) // math.prod(eqn.params["lhs_dilation"])
        elif eqn.primitive.name == "dot_general":
            ((contracted, _), _) = eqn.params["dimension_numbers"]
            total += math.prod(out.shape) * math.prod(eqn.invars[0].aval.shape[i] for i in contracted)
        for value in eqn.params.values():
            inner = getattr(value, "jaxpr", None)
            total += _multiply_adds(inner) if hasattr(inner, "eqns") else 0
    return total


def costs(config: ModelConfig) -> dict[str, float]:
    """kMAC per pixel of every network of `nn.model.Model`, by the name of its method, at 256x256 pixels.

    The count leaves out the closed taps in the context's product. `progression` is the sum of all calls, `mixture` that
    of all groups of channels.
    """
    side, m, n = 256 // config.stride, config.latents, config.hyper
    y = (1, side, side, m)
    inputs: dict[Any, list[Any]] = {Model.analysis: [(1, 256, 256, 3)]}
    if config.has_hyperprior:
        numbers = (1, side, side, config.context_features)
        hyper = {Model.hyper_analysis: [y], Model.hyper_synthesis: [(1, side // HYPER_STRIDE, side // HYPER_STRIDE, n)]}
        context = {Model.context: [y]} if config.entropy_model == "context" else {}
        net = {} if config.direct else {Model.parameters: [numbers if context else None, numbers]}
        inputs |= {**hyper, **({Model.mixture: [y, numbers]} if config.splits else context | net)}
    elif config.msp is not None:
        inputs |= {Model.progression: [y]}
    inputs |= {Model.synthesis: [y]}

    def cost(method: Any, arrays: list[tuple[int, ...]]) -> float:
        traced = jax.make_jaxpr(lambda p, *arrays: apply(config, p, *arrays, method=method))
        shapes = jax.eval_shape(lambda params: at_quality(params, 0.0), _shapes(config))
        return _multiply_adds(traced(shapes, *map(jnp.zeros, arrays)).jaxpr) / 256**2 / 1e3

    found = {method.__name__: cost(method, arrays) for method, arrays in inputs.items()}
    if config.entropy_model == "context":
        rows = {"raster": 3, "checkerboard": 5}[config.order]
        found["context"] *= len(TAPS[config.order]) / (5 * rows)
    if config.splits:
        open_taps = len(TAPS[config.order])
        sums = sum(features(first, last) * (last - first) for first, last in config.groups)
        found["mixture"] -= (25 - open_taps) * sums / config.stride**2 / 1e3
    return found


@functools.cache
def _shapes(config: ModelConfig) -> Any:
    return jax.eval_shape(functools.partial(init_params, config), jax.random.key(0))


def parameters(config: ModelConfig) -> dict[str, int]:
    """Number of trained numbers in each of `config.parts`."""
    return {part: sum(leaf.size for leaf in jax.tree.leaves(tree)) for part, tree in _shapes(config).items()}


def rounds(config: ModelConfig, size: tuple[int, int]) -> int:
    """Number of times that a decoder runs the entropy model, one after the other, for a picture of `size` in pixels.

    `size` is (height, width). A checkerboard has two rounds at any size. If a round has many positions, the decoder
    takes them in parts, one after the other, which bounds its memory.
    """
    if config.msp is not None:
        return len(calls(config.msp, config.latents))
    h, w = (-(-side // config.stride) for side in size)
    if config.entropy_model not in ("context", "space-channel"):
        return int(config.has_hyperprior)
    if config.order == "checkerboard":
        return len(config.groups) * min(2, h * w)
    return len(wavefront(h, w).counts)


def stages(config: ModelConfig, seconds: dict[str, float] | None = None) -> list[Stage]:
    """The four stages in their order. `seconds` are those of `timed`."""
    found = costs(config)
    entropy = tuple(name for name in found if name not in (*TRANSFORM, HYPER))
    hyper = (HYPER,) * (HYPER in found)
    networks = {
        ("encode", "analysis"): ("analysis",),
        ("encode", "entropy"): (*hyper, *entropy),
        ("decode", "entropy"): entropy,
        ("decode", "synthesis"): ("synthesis",),
    }
    return [
        Stage(call, name, its, sum(found[network] for network in its), (seconds or {}).get(f"{call} {name}"))
        for (call, name), its in networks.items()
    ]


def timed(codec: "Codec", image: np.ndarray, repeats: int = 3) -> dict[str, float]:
    """Seconds by stage, as in "encode analysis": the median of `repeats` calls after a first call, which compiles."""
    calls: list[dict[str, float]] = []
    for _ in range(1 + repeats):
        encoded = codec.encode(image, estimate=False)
        decoded = codec.decode(encoded.data)
        reports = {"encode": encoded.report.seconds, "decode": decoded.report.seconds}
        calls.append({f"{call} {stage}": its[stage] for call, its in reports.items() for stage in its})
    return {stage: statistics.median(call[stage] for call in calls[1:]) for stage in calls[0]}


def table(report: dict[str, Any]) -> str:
    """Lines for people: `model`, `height`, `width`, `parameters`, `rounds`, and `stages` as dictionaries."""
    size = f"{report['height']} x {report['width']} pixels"
    rounds = f"{report['rounds']:,} round{'s' * (report['rounds'] != 1)}"
    facts = f"{report['parameters']:,} parameters, {rounds} of the entropy model"
    lines = [
        f"{report['model']}: {facts} for {size}",
        f"{'stage':17} {'kMAC/pixel':>10} {'GMAC':>8} {'seconds':>8}  networks",
    ]
    pixels = report["height"] * report["width"]
    for call in ("encode", "decode"):
        its = [stage for stage in report["stages"] if stage["call"] == call]
        whole = {"name": "in all", "kmac": sum(stage["kmac"] for stage in its), "networks": (), "seconds": None}
        if its[0]["seconds"] is not None:
            whole["seconds"] = sum(stage["seconds"] for stage in its)
        for stage in (*its, whole):
            seconds = "-" if stage["seconds"] is None else f"{stage['seconds']:.3f}"
            counted = f"{stage['kmac']:10.1f} {stage['kmac'] * pixels / 1e6:8.2f}"
            left = f"{call}, {stage['name']}"
            lines.append(f"{left:17} {counted} {seconds:>8}  {', '.join(stage['networks'])}".rstrip())
    return "\n".join(lines)


def stand_in(height: int, width: int) -> np.ndarray:
    """A picture that resembles a photograph: coarse shapes, finer shapes, noise. uint8 [height, width, 3]."""
    rng = np.random.default_rng(0)
    image = np.zeros((height, width, 3))
    for step, amount in ((128, 110), (32, 50), (8, 20), (1, 6)):
        grid = rng.normal(0, amount / 2, (height // step + 2, width // step + 2, 3))
        image += np.kron(grid, np.ones((step, step, 1)))[:height, :width]
    return np.clip(128 + image, 0, 255).astype(np.uint8)


def main() -> None:
    """Costs of every preset, as the codec runs it. Rounds are for 768x512 pixels."""
    heads = "rounds", "parameters", "of the entropy model", "its kMAC a pixel", "encoding in all", "decoding in all"
    print(f"| | {' | '.join(heads)} |")
    print("|---|---|---|---|---|---|---|")
    for preset, config in PRESETS.items():
        found, numbers = costs(config), parameters(config)
        entropy = sum(cost for name, cost in found.items() if name not in (*TRANSFORM, HYPER))
        trained = sum(count for part, count in numbers.items() if part not in (*TRANSFORMS, "h_a"))
        facts = f"{sum(numbers.values()) / 1e6:.2f} M | {trained / 1e6:.2f} M | {entropy:.1f}"
        encode, decode = sum(found.values()) - found["synthesis"], entropy + found["synthesis"]
        print(f"| {preset} | {rounds(config, (512, 768))} | {facts} | {encode:.1f} | {decode:.1f} |")


if __name__ == "__main__":
    main()
