"""Data sets, loaders, devices and mixed precision of PyTorch in Keras."""

from __future__ import annotations

import ast

from netglot.migrate.declare import Bound, Table, Unbound

table = Table()
declare, rule, mark = table.declare, table.rule, table.mark

_D = "torch.utils.data."
declare(f"{_D}TensorDataset(*tensors)", "TensorDataset({tensors})")
declare(f"{_D}DataLoader(dataset, batch_size=1, shuffle=False, sampler=None, num_workers=0, collate_fn=None, pin_memory=False, drop_last=False, timeout=0, worker_init_fn=None, generator=None, *, prefetch_factor=None, persistent_workers=False)",
        "DataLoader({dataset}<, batch_size={batch_size}><, shuffle={shuffle}><, sampler={sampler}><, collate_fn={collate_fn}><, drop_last={drop_last}>)",
        infers="num_workers persistent_workers generator pin_memory timeout worker_init_fn prefetch_factor")  # fmt: skip
declare(f"{_D}SubsetRandomSampler(indices, generator=None)", "SubsetRandomSampler({indices})", infers="generator")
declare(f"{_D}SequentialSampler(data_source)", "range(len({data_source}))")
declare(f"{_D}RandomSampler(data_source, replacement=False, num_samples=None, generator=None)",
        "SubsetRandomSampler(range(len({data_source})))", when={"replacement": False, "num_samples": None}, infers="generator")  # fmt: skip
declare(f"{_D}WeightedRandomSampler(weights, num_samples, replacement=True, generator=None)",
        "WeightedRandomSampler({weights}, {num_samples}<, {replacement}>)", infers="generator")  # fmt: skip
declare(f"{_D}ConcatDataset(datasets)", "ConcatDataset({datasets})")
declare(
    "torch.utils.tensorboard.SummaryWriter(log_dir=None, comment='', purge_step=None, flush_secs=120)",
    "SummaryWriter(<{log_dir}>)",
    infers="comment purge_step flush_secs",
)
declare("torch.Generator(device=None)", "keras.random.SeedGenerator()")
declare("torch.Generator.manual_seed(generator, seed)", "keras.random.SeedGenerator({seed})", infers="generator")
declare(f"{_D}random_split(dataset, lengths, generator=None)", "random_split({dataset}, {lengths})", infers="generator")
declare(f"{_D}Subset(dataset, indices)", "Subset({dataset}, {indices})")
declare("torch.device(type, index=None)", "{type}", infers="index")
declare("torch.cuda.is_available|torch.accelerator.is_available()", 'bool(tf.config.list_physical_devices("GPU"))')
declare("torch.accelerator.current_accelerator(check_available=False)", '"gpu"', infers="check_available")
declare("torch.backends.mps.is_available|torch.mps.is_available|torch.cuda.device_count()", "0")
declare("torch.cuda.is_bf16_supported(including_emulation=True)", 'bool(tf.config.list_physical_devices("GPU"))')
declare("torch.cuda.manual_seed|torch.cuda.manual_seed_all(seed)", "keras.utils.set_random_seed({seed})")
for _signature in (
    'torch.amp.GradScaler|torch.GradScaler(device="cuda", ', "torch.cuda.amp.GradScaler(", "torch.cuda.amp.grad_scaler.GradScaler(",
):  # fmt: skip
    _device = "<{device}>" if "device" in _signature else ""
    declare(
        f"{_signature}init_scale=65536.0, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000, enabled=True)",
        f"GradScaler({_device}<, init_scale={{init_scale}}><, growth_factor={{growth_factor}}>"
        "<, backoff_factor={backoff_factor}><, growth_interval={growth_interval}><, enabled={enabled}>)",
    )


@rule("torch.cuda.amp.autocast(enabled=True, dtype=None, cache_enabled=True)")
@rule("torch.amp.autocast|torch.autocast(device_type, dtype=None, enabled=True, cache_enabled=None)")
def _autocast(c: Bound) -> str:
    r = c.rewriter
    around = r.parent(c.node)
    block = r.around(c.node, ast.With) if isinstance(around, ast.withitem) else None
    if block is None:
        raise Unbound("netglot knows it at the head of a block only")
    found = [
        r.text(node.func) for one in block.body for node in ast.walk(one)
        if isinstance(node, ast.Call) and any(k.startswith("call:") for k in r.fact(node).callees)
        and r.fact(node).extra.get("weights")
    ]  # fmt: skip
    options = [*dict.fromkeys(found)]
    device = c.given.get("device_type")
    if device is not None and r.constant(device) != "cuda":
        options.append(f"device={c.text('device_type')}")
    options += [f"{name}={c.text(name)}" for name in ("dtype", "enabled") if c.has(name)]
    return c.filled("autocast(") + ", ".join(options) + ")"
