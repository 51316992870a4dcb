"""The networks of the paper written out in float64 NumPy, from their specification and with nothing of the package.

`p` is the tree of parameters of what the function is named after; images and features are [B, h, w, C].
"""

import numpy as np


def conv(p, x, stride=1):
    side, (h, w) = p["kernel"].shape[0], x.shape[1:3]
    pad = side // 2
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    taps = [padded[:, i : i + h, j : j + w] @ p["kernel"][i, j] for i, j in np.ndindex(side, side)]
    return np.sum(taps, axis=0)[:, ::stride, ::stride] + p.get("bias", 0.0)


def up_conv(p, x):
    spread = np.zeros((x.shape[0], 2 * x.shape[1], 2 * x.shape[2], x.shape[3]))
    spread[:, ::2, ::2] = x
    return conv(p, spread)


def depth_to_space(x):
    out = np.empty((x.shape[0], 2 * x.shape[1], 2 * x.shape[2], x.shape[3] // 4))
    for phase, (a, b) in enumerate(np.ndindex(2, 2)):
        out[:, a::2, b::2] = np.split(x, 4, axis=-1)[phase]
    return out


def relu(x):
    return np.maximum(x, 0)


def leaky(x):
    return np.maximum(x, 0) + 0.2 * np.minimum(x, 0)


def gdn(p, x, power=-0.5):
    return x * (p["beta"] ** 2 + np.einsum("bhwi,ij->bhwj", x**2, p["gamma"] ** 2)) ** power


def plain_residual(p, x):
    return x + conv(p["conv1"], relu(conv(p["conv0"], x)))


def leaky_residual(p, x):
    return x + leaky(conv(p["conv1"], leaky(conv(p["conv0"], x))))


def crm(p, x):
    r = x
    for stage in sorted(p):
        r = leaky_residual(p[stage], r)
    return x + r


def bottleneck(p, x):
    return x + conv(p["conv2"], relu(conv(p["conv1"], relu(conv(p["conv0"], x)))))


def attention(p, x):
    mask = bottleneck(p["mask2"], bottleneck(p["mask1"], bottleneck(p["mask0"], x)))
    trunk = bottleneck(p["trunk2"], bottleneck(p["trunk1"], bottleneck(p["trunk0"], x)))
    return x + trunk / (1 + np.exp(-conv(p["gate"], mask)))


def down(p, x):
    return gdn(p["gdn"], conv(p["conv1"], leaky(conv(p["conv0"], x, 2)))) + conv(p["skip"], x, 2)


def up(p, x):
    main = conv(p["conv1"], depth_to_space(leaky(conv(p["conv0"], x))))
    return gdn(p["igdn"], main, 0.5) + depth_to_space(conv(p["skip"], x))


def g_a(p, x):
    x = down(p["down0"], x)
    x = attention(p["attention0"], down(p["down1"], crm(p["block0"], x)))
    x = down(p["down2"], crm(p["block1"], x))
    return attention(p["attention1"], conv(p["last"], crm(p["block2"], x), 2))


def g_s(p, y_hat):
    x = up(p["up0"], crm(p["block0"], attention(p["attention0"], y_hat)))
    x = up(p["up1"], crm(p["block1"], x))
    x = up(p["up2"], crm(p["block2"], attention(p["attention1"], x)))
    return depth_to_space(conv(p["last"], crm(p["block3"], x)))


def h_a(p, y):
    x = leaky(conv(p["conv1"], leaky(conv(p["conv0"], y))))
    x = leaky(conv(p["conv3"], leaky(conv(p["conv2"], x, 2))))
    return conv(p["conv4"], x, 2)


def h_s(p, z_hat):
    x = leaky(up_conv(p["up1"], leaky(conv(p["conv0"], z_hat))))
    x = leaky(up_conv(p["up3"], leaky(conv(p["conv2"], x))))
    return conv(p["conv4"], x)


def context(p, y_hat):
    (b, h, w, _), out = y_hat.shape, np.zeros((*y_hat.shape[:3], len(p["bias"])))
    for n, i, j in np.ndindex(b, h, w):
        out[n, i, j] = p["bias"]
        for di, dj in ((di, dj) for di in (-2, -1, 0) for dj in (-2, -1, 0, 1, 2) if di < 0 or dj < 0):
            if i + di >= 0 and 0 <= j + dj < w:
                out[n, i, j] += y_hat[n, i + di, j + dj] @ p["kernel"][di + 2, dj + 2]
    return out


def entropy(p, context, phi):
    x = np.concatenate([context, phi], axis=-1)
    x = leaky(x @ p["dense0"]["kernel"] + p["dense0"]["bias"])
    x = leaky(x @ p["dense1"]["kernel"] + p["dense1"]["bias"])
    return x @ p["dense2"]["kernel"]
