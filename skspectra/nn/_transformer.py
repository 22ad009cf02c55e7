"""The transformer: pre-norm blocks of self-attention, as in ViT and MAX."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class TransformerBlock(nn.Module):
    """Self-attention, then a two-layer perceptron, each around a skip.

    Parameters
    ----------
    dim : int
        Width of a token.
    n_heads : int
        Number of attention heads; divides `dim`.
    """

    def __init__(self, dim: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.attention_norm = nn.LayerNorm(dim, eps=1e-6)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.attention_out = nn.Linear(dim, dim)
        self.mlp_norm = nn.LayerNorm(dim, eps=1e-6)
        self.mlp_in = nn.Linear(dim, 4 * dim)
        self.mlp_out = nn.Linear(4 * dim, dim)

    def forward(self, tokens: Tensor, kept: Tensor | None = None) -> Tensor:
        """Mix the tokens of each spectrum.

        Parameters
        ----------
        tokens : Tensor of shape (batch, n_kept, dim)
            Any number of tokens.
        kept : bool Tensor of shape (batch, n_kept), optional
            False for tokens that nothing may attend to, at least one True a row.

        Returns
        -------
        Tensor of shape (batch, n_kept, dim)
            The mixed tokens.
        """
        tokens = tokens + self._attend(self.attention_norm(tokens), kept)
        return tokens + self.mlp_out(F.gelu(self.mlp_in(self.mlp_norm(tokens))))

    def queries_and_keys(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the attention of this block compares.

        Parameters
        ----------
        tokens : Tensor of shape (batch, n_tokens, dim)
            What would enter the block.

        Returns
        -------
        queries : Tensor of shape (batch, n_heads, n_tokens, head_dim)
            What each token asks for.
        keys : Tensor of shape (batch, n_heads, n_tokens, head_dim)
            What each token answers to.
        """
        n_read = 2 * tokens.shape[-1]  # the values are not needed
        weight, bias = self.qkv.weight[:n_read], self.qkv.bias[:n_read]
        both = F.linear(self.attention_norm(tokens), weight, bias)
        both = both.unflatten(-1, (2, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        return both[0], both[1]

    def _attend(self, tokens: Tensor, kept: Tensor | None) -> Tensor:
        qkv = self.qkv(tokens).unflatten(-1, (3, self.n_heads, -1))
        qkv = qkv.permute(2, 0, 3, 1, 4)  # (3, batch, n_heads, n_kept, head_dim)
        if kept is not None:
            mixed = F.scaled_dot_product_attention(*qkv, kept[:, None, None])
        elif plain_attention_is_faster(qkv):
            mixed = attend_plainly(*qkv.contiguous())
        else:
            mixed = F.scaled_dot_product_attention(*qkv)
        return self.attention_out(mixed.transpose(1, 2).flatten(2))


def plain_attention_is_faster(qkv: Tensor) -> bool:
    """Say whether attention is to be computed as two plain products and a softmax.

    Parameters
    ----------
    qkv : Tensor of shape (..., n_tokens, head_dim)
        What attends.

    Returns
    -------
    bool
        True for bfloat16 on a CPU with up to 512 tokens.
    """
    # Time of the plain form divided by the fused kernel's, forward and backward, one
    # core with products in bfloat16:
    #
    # tokens, heads   7, 4   64, 4   64, 8   128, 4   128, 16   512, 8
    # bfloat16         .61     .12     .15      .22       .25      .87
    # float32         1.2     1.1     1.1      2.4       1.3      2.1
    #
    # Elsewhere the fused kernel also saves the memory of the attention matrix.
    on_cpu = qkv.device.type == "cpu"
    return on_cpu and qkv.dtype == torch.bfloat16 and qkv.shape[-2] <= 512


def attend_plainly(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Compute what `torch.nn.functional.scaled_dot_product_attention` does.

    Parameters
    ----------
    q, k, v : Tensor of shape (batch, n_heads, n_tokens, head_dim)
        Queries, keys and values; contiguous, or they are copied.

    Returns
    -------
    Tensor of shape (batch, n_heads, n_tokens, head_dim)
        The values, weighted by attention.
    """
    shape = q.shape
    q, k, v = (part.flatten(0, 1) for part in (q, k, v))
    # The product takes the scale in, which saves a pass over the numbers.
    logits = torch.baddbmm(
        q.new_empty(()), q, k.transpose(1, 2), beta=0, alpha=shape[-1] ** -0.5
    )
    return torch.bmm(logits.softmax(dim=-1), v).view(shape)


class TransformerTrunk(nn.Module):
    """A stack of transformer blocks and a last layer norm.

    Parameters
    ----------
    dim : int
        Width of a token.
    depth : int
        Number of blocks.
    n_heads : int
        Number of attention heads; divides `dim`.
    """

    def __init__(self, dim: int, depth: int, n_heads: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            TransformerBlock(dim, n_heads) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, tokens: Tensor, kept: Tensor | None = None) -> Tensor:
        """Mix the tokens of each spectrum, block after block.

        Parameters
        ----------
        tokens : Tensor of shape (batch, n_kept, dim)
            Any number of tokens.
        kept : bool Tensor of shape (batch, n_kept), optional
            False for tokens that change no other, at least one True a row.

        Returns
        -------
        Tensor of shape (batch, n_kept, dim)
            The mixed tokens.
        """
        for block in self.blocks:
            tokens = block(tokens, kept)
        return self.norm(tokens)


def check_heads(dim: int, n_heads: int, names: tuple[str, str]) -> None:
    """Refuse a width that its attention heads cannot share.

    Parameters
    ----------
    dim : int
        Width of a token.
    n_heads : int
        Number of attention heads.
    names : tuple of str
        What the caller names the two.

    Raises
    ------
    ValueError
        If `n_heads` does not divide `dim`.
    """
    if dim % n_heads:
        raise ValueError(
            f"{names[0]} must be a multiple of {names[1]}. Got {names[0]}={dim} and "
            f"{names[1]}={n_heads} instead."
        )


def initialise_linear(module: nn.Module) -> None:
    """Give every linear map in `module` Xavier-uniform weights and no bias.

    Parameters
    ----------
    module : nn.Module
        Changed in place.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)
