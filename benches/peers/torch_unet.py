"""PyTorch on the U-Net of this project's own benchmark; one JSON line a result.

    python3 torch_unet.py [--device cpu|cuda] [--cudnn-benchmark] [--threads N] [--runs N] [--warm-up N]
                          [--budget SECONDS] [--cases 32,4,64 ...] [--what NAME]
    python3 torch_unet.py --write-check FILE.safetensors
    python3 torch_unet.py [--device cpu|cuda] [--cudnn-benchmark] --check FILE.safetensors

A case is base,batch,size. A time ends when the device is done; `first_ms` is the first run of all. Everything is single
precision, TF32 off. On CUDA a line has the peak memory of one more run: MiB in tensors, cuDNN's workspaces among them
(`memory_allocated_mib`), and MiB that PyTorch took from the driver for them (`memory_reserved_mib`). The check file
holds a small network's weights, an input, a target, and the loss and the norms of all gradients, computed in double
precision.
"""

import argparse
import json
import os
import platform
import sys
import time

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

IN, OUT, SCALES, NORM_EPSILON = 3, 1, 5, 1e-3
LEARNING_RATE = 1e-4
CHECK_CASE = (8, 1, 32)
TOLERANCE = 1e-3
WHATS = ["unet_train_step", "unet_forward"]


class Block(nn.Module):
    """Twice: 3×3 convolution, softplus, instance norm with learned scale and shift."""

    def __init__(self, source, target):
        super().__init__()
        self.c1 = nn.Conv2d(source, target, 3, padding=1)
        self.n1 = nn.InstanceNorm2d(target, eps=NORM_EPSILON, affine=True)
        self.c2 = nn.Conv2d(target, target, 3, padding=1)
        self.n2 = nn.InstanceNorm2d(target, eps=NORM_EPSILON, affine=True)

    def forward(self, x):
        x = self.n1(functional.softplus(self.c1(x)))
        return self.n2(functional.softplus(self.c2(x)))


class UNet(nn.Module):
    """Channels doubling over five scales, max-pooling down, transposed convolutions up, [up, skip] concatenated."""

    def __init__(self, base):
        super().__init__()
        channels = [base << i for i in range(SCALES)]
        sources = [IN, *channels]
        self.down = nn.ModuleList(Block(sources[i], channels[i]) for i in range(SCALES))
        self.up = nn.ModuleList(nn.ConvTranspose2d(channels[i + 1], channels[i], 2, stride=2) for i in range(SCALES - 1))
        self.dec = nn.ModuleList(Block(2 * channels[i], channels[i]) for i in range(SCALES - 1))
        self.out = nn.Conv2d(base, OUT, 1)

    def forward(self, x):
        skips = []
        x = self.down[0](x)
        for block in self.down[1:]:
            skips.append(x)
            x = block(functional.max_pool2d(x, 2))
        for i in reversed(range(SCALES - 1)):
            x = self.dec[i](torch.cat([self.up[i](x), skips[i]], 1))
        return self.out(x)


def set_precision():
    """No TF32, which CUDA's convolutions would take by themselves. Newer versions know it by another name too."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    for operations in (torch.backends.cuda.matmul, getattr(torch.backends.cudnn, "conv", None)):
        if hasattr(operations, "fp32_precision"):
            operations.fp32_precision = "ieee"


def describe(device):
    line = {"peer": "torch", "backend": device, "version": torch.__version__}
    if device == "cpu":
        return {**line, "adapter": f"{platform.machine()}, {torch.get_num_threads()} threads"}
    benchmark = torch.backends.cudnn.benchmark
    return {
        **line,
        "backend": "cuda-benchmark" if benchmark else "cuda",
        "adapter": torch.cuda.get_device_name(),
        "cudnn": torch.backends.cudnn.version(),
        "cudnn_benchmark": benchmark,
        "tf32": torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32,
    }


def ramp(*shape):
    count = torch.Size(shape).numel()
    return ((torch.arange(count) * 101 % 1009) / 504.5 - 1.0).reshape(shape)


def job(what, base, batch, size, device):
    """What is timed, as a function without arguments."""
    net = UNet(base).to(device)
    x, y = ramp(batch, IN, size, size).to(device), ramp(batch, OUT, size, size).to(device)
    if what == "unet_forward":

        def forward():
            with torch.no_grad():
                net(x)

        return forward
    # The fastest that PyTorch has on CUDA, where by itself it takes another; on a processor its own choice.
    adam = torch.optim.Adam(net.parameters(), LEARNING_RATE, fused=True if device == "cuda" else None)

    def step():
        adam.zero_grad(set_to_none=True)
        functional.mse_loss(net(x), y).backward()
        adam.step()

    return step


def wait(device):
    """CUDA's calls return before their work is done."""
    if device == "cuda":
        torch.cuda.synchronize()


def timed(run, arguments):
    """Milliseconds of the first run, and of those after the warm-up in rising order; at least one."""

    def once():
        wait(arguments.device)
        start = time.perf_counter()
        run()
        wait(arguments.device)
        return 1e3 * (time.perf_counter() - start)

    begin = time.perf_counter()
    first = once()
    for _ in range(arguments.warm_up):
        if time.perf_counter() - begin > arguments.budget / 10:
            break
        once()
    rest = [once()]
    while len(rest) < arguments.runs and time.perf_counter() - begin < arguments.budget:
        rest.append(once())
    return first, sorted(rest)


def peak_memory(run, device):
    """The most MiB held during a run, in tensors and from the driver; `None` on a processor, where nobody counts."""
    if device == "cpu":
        return None, None
    wait(device)
    # What earlier runs left unused is not counted, such as what cuDNN's trials took.
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    run()
    wait(device)
    return torch.cuda.max_memory_allocated() / 2**20, torch.cuda.max_memory_reserved() / 2**20


def quantile(ordered, share):
    return ordered[int(share * (len(ordered) - 1) + 0.5)]


def time_case(what, case, arguments):
    run = job(what, *case, arguments.device)
    first, rest = timed(run, arguments)
    allocated, reserved = peak_memory(run, arguments.device)
    base, batch, size = case
    return {
        **describe(arguments.device),
        "what": what,
        "base": base,
        "batch": batch,
        "size": size,
        "runs": len(rest),
        "median_ms": quantile(rest, 0.5),
        "p10_ms": quantile(rest, 0.1),
        "p90_ms": quantile(rest, 0.9),
        "first_ms": first,
        "memory_allocated_mib": allocated,
        "memory_reserved_mib": reserved,
    }


def gradients(net, x, y):
    """The loss and the norm of every parameter's gradient."""
    loss = functional.mse_loss(net(x), y)
    loss.backward()
    norms = {name: parameter.grad.double().norm().item() for name, parameter in net.named_parameters()}
    return {"loss": loss.item(), **{f"gradient_norm/{name}": norm for name, norm in norms.items()}}


def write_check(path):
    torch.manual_seed(1)
    base, batch, size = CHECK_CASE
    net = UNet(base)
    for name, parameter in net.named_parameters():
        if ".n1." in name or ".n2." in name:
            parameter.data += 0.2 * torch.randn_like(parameter)
    x, y = torch.randn(batch, IN, size, size), torch.randn(batch, OUT, size, size)
    tensors = {f"weight/{name}": parameter.data.clone() for name, parameter in net.named_parameters()}
    expected = gradients(net.double(), x.double(), y.double())
    tensors |= {name: torch.tensor(value, dtype=torch.float32) for name, value in expected.items()}
    save_file({**tensors, "input": x, "target": y}, path)


def check(path, device):
    tensors = load_file(path)
    net = UNet(tensors["weight/out.weight"].shape[1]).to(device)
    net.load_state_dict({name.removeprefix("weight/"): t for name, t in tensors.items() if name.startswith("weight/")})
    found = gradients(net, tensors["input"].to(device), tensors["target"].to(device))
    errors = {name: abs(value - tensors[name].item()) / abs(tensors[name].item()) for name, value in found.items()}
    worst_of = max(errors, key=errors.get)
    return {
        **describe(device),
        "what": "check",
        "right": all(error <= TOLERANCE for error in errors.values()),
        "worst": errors[worst_of],
        "worst_of": worst_of.removeprefix("gradient_norm/"),
        "loss": found["loss"],
        "loss_expected": tensors["loss"].item(),
    }


def parse_case(text):
    try:
        base, batch, size = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is no case; expected base,batch,size') from None
    if min(base, batch, size) < 1 or size % 2 ** (SCALES - 1):
        raise argparse.ArgumentTypeError(f'"{text}": the size must be a multiple of {2 ** (SCALES - 1)}')
    return base, batch, size


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--cudnn-benchmark", action="store_true", help="let cuDNN try its algorithms and keep the fastest")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--runs", type=int, default=31)
    parser.add_argument("--warm-up", type=int, default=10, help="runs between the first and those that are timed")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds a case, a tenth of it until the warm-up ends")
    parser.add_argument("--cases", type=parse_case, nargs="+", default=[(32, 4, 64), (32, 1, 128), (16, 1, 64)])
    parser.add_argument("--what", choices=WHATS)
    parser.add_argument("--write-check", metavar="FILE")
    parser.add_argument("--check", metavar="FILE")
    arguments = parser.parse_args()
    if arguments.cudnn_benchmark and arguments.device == "cpu":
        parser.error("--cudnn-benchmark goes with --device cuda")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch finds none here")
    return arguments


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    torch.backends.cudnn.benchmark = arguments.cudnn_benchmark
    set_precision()
    if arguments.write_check:
        write_check(arguments.write_check)
    if arguments.check:
        print(json.dumps(check(arguments.check, arguments.device)))
    if arguments.write_check or arguments.check:
        return
    for case in arguments.cases:
        # Training first, so that its first step does everything that a first step does.
        for what in [arguments.what] if arguments.what else WHATS:
            print(json.dumps(time_case(what, case, arguments)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
