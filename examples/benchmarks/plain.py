"""
The same mathematics, written plainly
=====================================

What somebody who writes a masked autoencoder by hand would write first: every patch
is embedded and the visible ones are gathered afterwards, attention is two products
and a softmax for each head, everything is float32, and the optimizer is torch's as it
comes. ``fit_barely`` is a training loop with nothing around it. They are what
``speed.py`` measures the package against.

The parts are named like the package's, so that weights of the one can be loaded into
the other, and the same weights must give the same loss.
"""

import math

import numpy as np
import torch
from torch import nn

from skspectra.nn import Positions


class PlainBlock(nn.Module):
    """Attention and a two-layer perceptron, each around a skip."""

    def __init__(self, dim, n_heads):
        super().__init__()
        self.n_heads = n_heads
        self.attention_norm = nn.LayerNorm(dim, eps=1e-6)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.attention_out = nn.Linear(dim, dim)
        self.mlp_norm = nn.LayerNorm(dim, eps=1e-6)
        self.mlp_in = nn.Linear(dim, 4 * dim)
        self.mlp_out = nn.Linear(4 * dim, dim)

    def forward(self, tokens):
        tokens = tokens + self.attend(self.attention_norm(tokens))
        hidden = nn.functional.gelu(self.mlp_in(self.mlp_norm(tokens)))
        return tokens + self.mlp_out(hidden)

    def attend(self, tokens):
        batch, n_tokens, dim = tokens.shape
        qkv = self.qkv(tokens).reshape(batch, n_tokens, 3, self.n_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        scale = (dim // self.n_heads) ** -0.5
        attention = (q @ k.transpose(-2, -1) * scale).softmax(dim=-1)
        mixed = (attention @ v).transpose(1, 2).reshape(batch, n_tokens, dim)
        return self.attention_out(mixed)


class PlainTrunk(nn.Module):
    """Blocks and a last norm."""

    def __init__(self, dim, depth, n_heads):
        super().__init__()
        self.blocks = nn.ModuleList(PlainBlock(dim, n_heads) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, tokens):
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)


class PlainEncoder(nn.Module):
    """Patches, projected, with positions, through a trunk."""

    def __init__(self, n_channels, patch_size, embed_dim, depth, n_heads):
        super().__init__()
        self.patch_size, self.n_tokens = patch_size, n_channels // patch_size
        self.project = nn.Linear(patch_size, embed_dim)
        self.positions = Positions(self.n_tokens, embed_dim, "sine_cosine")
        self.trunk = PlainTrunk(embed_dim, depth, n_heads)

    def patches(self, x):
        return x.reshape(len(x), self.n_tokens, self.patch_size)

    def tokens(self, x):
        return self.project(self.patches(x)) + self.positions.table

    def embed(self, x):
        return self.trunk(self.tokens(x)).mean(dim=1)


class PlainAutoencoder(nn.Module):
    """A masked autoencoder in the way of He et al.: shuffle, drop, put back."""

    def __init__(self, encoder, decoder_dim, decoder_depth, decoder_n_heads):
        super().__init__()
        dim = encoder.project.out_features
        self.to_decoder = nn.Linear(dim, decoder_dim)
        self.positions = Positions(encoder.n_tokens, decoder_dim, "sine_cosine")
        self.decoder = PlainTrunk(decoder_dim, decoder_depth, decoder_n_heads)
        self.to_patch = nn.Linear(decoder_dim, encoder.patch_size)
        self.encoder = encoder
        self.mask_token = nn.Parameter(torch.zeros(decoder_dim))

    def loss(self, x, shuffled, n_kept):
        """Return the error of all but the first `n_kept` tokens of `shuffled`."""
        restored = shuffled.argsort(dim=1)
        tokens = take(self.encoder.tokens(x), shuffled[:, :n_kept])
        visible = self.to_decoder(self.encoder.trunk(tokens))
        n_hidden = shuffled.shape[1] - n_kept
        hidden = self.mask_token.repeat(len(x), n_hidden, 1)
        tokens = take(torch.cat([visible, hidden], dim=1), restored)
        rebuilt = self.to_patch(self.decoder(tokens + self.positions.table))
        error = ((rebuilt - self.encoder.patches(x)) ** 2).mean(dim=-1)
        mask = (restored >= n_kept).to(error.dtype)
        return (error * mask).sum() / mask.sum()


def take(tokens, ids):
    """Return the tokens `ids` of each spectrum."""
    return tokens.gather(1, ids[..., None].expand(-1, -1, tokens.shape[-1]))


def plain_encoder(ours):
    """Return a plain encoder with the weights of an encoder of the package."""
    blocks = ours.trunk.blocks
    plain = PlainEncoder(
        ours.n_channels, ours.patch_size, ours.embed_dim, len(blocks), blocks[0].n_heads
    )
    plain.load_state_dict(ours.state_dict())
    return plain


def plain_autoencoder(ours):
    """Return a plain autoencoder with the weights of one of the package."""
    blocks = ours.decoder.blocks
    sizes = ours.to_decoder.out_features, len(blocks), blocks[0].n_heads
    plain = PlainAutoencoder(plain_encoder(ours.encoder), *sizes)
    plain.load_state_dict(ours.state_dict())
    return plain


def plain_step(model, x):
    """Return a function that does one step of pretraining, half hidden."""
    optimizer = torch.optim.AdamW(model.parameters())
    n_tokens = model.encoder.n_tokens

    def step():
        shuffled = torch.rand(len(x), n_tokens, device=x.device).argsort(dim=1)
        loss = model.loss(x, shuffled, n_tokens // 2)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def embed_plainly(encoder, X, mean, scale):
    """Return the embeddings of spectra, in batches of 64."""
    x = torch.from_numpy(((X - mean) / scale).astype(np.float32))
    with torch.no_grad():
        return torch.cat([encoder.embed(rows) for rows in x.split(64)]).numpy()


def fit_barely(X, build, *, max_epochs, autocast, seed, batch_size=128):
    """Pretrain with the package's defaults, and return the loss of each epoch."""
    mean = X.mean(axis=0)
    scale = np.sqrt(((X - mean) ** 2).mean())
    x = torch.from_numpy(((X - mean) / scale).astype(np.float32))
    torch.manual_seed(seed)
    objective = build()
    optimizer = barely_adamw(objective)
    schedule = warmup_then_cosine(max_epochs * math.ceil(len(x) / batch_size))
    step, curve = 0, []
    for _ in range(max_epochs):
        total = 0.0
        for rows in torch.randperm(len(x)).split(batch_size):
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * schedule(step)
            with torch.autocast("cpu", autocast, enabled=autocast is not None):
                loss = objective(x[rows])
            loss.backward()
            nn.utils.clip_grad_norm_(objective.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            total += loss.detach() * len(rows)
            step += 1
        curve.append(float(total) / len(x))
    return curve


def barely_adamw(module):
    """Return AdamW that decays matrices and leaves vectors alone."""
    parameters = list(module.parameters())
    matrices = [p for p in parameters if p.ndim > 1]
    vectors = [p for p in parameters if p.ndim < 2]
    groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, 1e-3, weight_decay=0.05, fused=True)


def warmup_then_cosine(n_steps, warmup=0.1):
    """Return the factor of the learning rate at each step."""
    n_warmup = max(1, round(warmup * n_steps))

    def factor(step):
        if step < n_warmup:
            return (step + 1) / n_warmup
        done = (step - n_warmup) / max(1, n_steps - n_warmup)
        return 0.5 * (1 + math.cos(math.pi * done))

    return factor
