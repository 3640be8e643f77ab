"""A hand-written PyTorch MAPPO of the same mathematics, timed beside `karma train` in one run.

    make bench-torch [TWIN_FILE=results/runs/quickstart/twin] [ROUNDS=5]
    python3 tests/bench/peer_torch.py --check DUMP     the mathematics alone, of any dump

For each setting, `karma train --dump-update 2` trains in the twin and writes one whole update
(proto/update_dump.proto). The PyTorch program computes this update from the same batch and must
agree: log-probabilities, values, and the movement of all parameters, within the tolerances of
tests/check_update.h. Only then is anything timed.

Timed is CPU time, one thread each, in turn. karma: a training of 1 + n updates minus one of 1
update, so simulator, acting, update and statistics are in it and start-up is not. PyTorch: a
rollout and the update. Its rollout is that of a peer that does as little as possible: the networks
act on a batch of all environments, the critic runs once at the end, and the environment is one
network of the twin's shape with noise; no table of transitions, no masks to compute, no rewards, no
episodes that end. Its update leaves out all statistics, and the entropy where its coefficient is 0.
So the ratio is a lower bound of the speed-up over a complete program in PyTorch.

Needs python3 with torch, numpy and protobuf (Debian: python3-torch python3-numpy python3-protobuf)
and protoc. OpenBLAS takes the kernel that OPENBLAS_CORETYPE names; if the variable is not set and
the CPU has AVX-512, it is told SkylakeX, because old versions do not know every such CPU.
"""

import importlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
with open("/proc/cpuinfo") as cpu:
    if " avx512f" in cpu.read():
        os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")
try:
    import google.protobuf  # noqa: F401
    import numpy as np
    import torch
except ImportError as missing:
    sys.exit(
        f"peer_torch: {missing}; on Debian:"
        " apt-get install python3-torch python3-numpy python3-protobuf protobuf-compiler; for another"
        " interpreter than the first python3 of the PATH: make bench-torch PYTHON=/usr/bin/python3"
    )

CONFIG = "configs/experiments/warm_start.yaml"
# environments x steps, epochs, minibatches, updates timed in a round
SETTINGS = [
    ("128 x 128, 5 epochs, 16 minibatches", 128, 128, 5, 16, 4),
    ("8 x 128, 10 epochs, 1 minibatch", 8, 128, 10, 1, 20),
]
OUTPUTS, MOVEMENT = 1e-5, 1e-3  # both sides round to float; tests/check_update.h
TWIN_SIZES = [192, 128, 128, 128, 178]  # of a twin of the quickstart


def cpu_s():
    return time.process_time()


# ---- karma ----


def train(karma, twin, directory, setting, updates, more=()):
    """Trains; returns the CPU seconds of the process."""
    _, envs, steps, epochs, minibatches, _ = setting
    sets = [
        f"twin.file={twin}", "train.init=scratch", f"train.envs={envs}", f"train.steps={steps}",
        f"mappo.epochs={epochs}", f"mappo.minibatches={minibatches}", f"train.updates={updates}",
        "train.checkpoint_every=0", f"run.dir={directory}/run",
    ]
    command = [karma, "train", CONFIG, "--restart", *more]
    for one in sets:
        command += ["--set", one]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"peer_torch: {' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def read_dump(path, directory):
    subprocess.run(["protoc", "-I.", f"--python_out={directory}", "proto/update_dump.proto",
                    "proto/rollout_block.proto", "proto/weights.proto"], check=True)
    if directory not in sys.path:
        sys.path.insert(0, directory)
    message = importlib.import_module("proto.update_dump_pb2").UpdateDump
    with open(path, "rb") as file:
        return message.FromString(file.read()[20:])


# ---- the batch, as tensors: agents, environments, steps first ----


def floats(values, *shape):
    return torch.from_numpy(np.array(values, dtype=np.float32).reshape(shape))


class Batch:
    def __init__(self, d):
        E, T, A, F, K = d.n_env, d.n_steps, d.n_agents, d.n_factors, d.n_choices
        self.shape = E, T, A, F, K
        joined = {
            name: np.concatenate([np.array(getattr(b, name)) for b in d.blocks])
            for name in "logp value reward last_value action mask bootstrap_value".split()
        }
        flag = np.concatenate([np.frombuffer(b.flag, np.uint8) for b in d.blocks]).reshape(E, T)
        self.logp, self.value, self.reward = (
            floats(joined[name], E, T, A) for name in ("logp", "value", "reward")
        )
        self.last_value = floats(joined["last_value"], E, A)
        bootstrap = np.zeros((E, T, A), np.float32)
        bootstrap[flag == 2] = joined["bootstrap_value"].reshape(-1, A)
        self.bootstrap = torch.from_numpy(bootstrap)
        self.ended = torch.from_numpy(flag != 0)
        words = joined["mask"].astype(np.uint32).reshape(E, T, A, F, -1)
        k = np.arange(K)
        allowed = (words[..., k // 32] >> (k % 32).astype(np.uint32)) & 1 == 1
        allowed = np.ascontiguousarray(np.moveaxis(allowed, 2, 0))  # (A, E, T, F, K)
        self.allowed = torch.from_numpy(allowed)
        self.chose = torch.from_numpy((allowed.sum(-1) > 1).any(-1)).float()  # (A, E, T)
        action = joined["action"].astype(np.int64).reshape(E, T, A, F)
        self.action = torch.from_numpy(np.ascontiguousarray(np.moveaxis(action, 2, 0)))
        self.actor_in = floats(d.actor_in, A, E, T, -1)
        self.critic_in = floats(d.critic_in, E, T, -1)


# ---- the networks: one stack of actors, one critic with an output for each agent ----


def stack(flat, at, w, b, sizes):
    """[(n, in, out), (n, 1, out)] of each layer; n = len(at) networks of one shape."""
    layers = []
    for i, (rows, columns) in enumerate(zip(sizes, sizes[1:])):
        for begin, shape in ((w[i], (rows, columns)), (b[i], (1, columns))):
            size = shape[0] * shape[1]
            parts = [flat[p + begin : p + begin + size].reshape(shape) for p in at]
            layers.append(torch.stack(parts).clone())
    return layers


class Networks:
    def __init__(self, d, flat):
        self.d = d
        self.actor = stack(flat, d.actor_at, d.actor_w, d.actor_b, d.actor_sizes)
        critic = stack(flat, [d.critic_at], d.critic_w, d.critic_b, d.critic_sizes)
        self.critic = [x[0] for x in critic]

    @staticmethod
    def forward(layers, x):
        """(n, rows, in) through stacks, or (rows, in) through one network; tanh."""
        product = torch.baddbmm if x.dim() == 3 else torch.addmm
        for i in range(0, len(layers), 2):
            x = product(layers[i + 1], x, layers[i])
            if i + 2 < len(layers):
                x = torch.tanh(x)
        return x

    def logits(self, x):
        A, rows, _ = x.shape
        return self.forward(self.actor, x).view(A, rows, self.d.n_factors, self.d.n_choices)


def masked_log_softmax(logits, allowed):
    return torch.log_softmax(logits.masked_fill(~allowed, -1e9), -1)


# ---- the update: docs/training.md ----


def popart(d, critic, target):
    """Rescales the last layer (in place) and returns mean and sigma of each output."""
    A = d.n_agents
    weight, mean, var = torch.tensor(list(d.before.value_norm), dtype=torch.float64).view(3, A)
    y = target.reshape(-1, A).double()
    sigma = torch.where(weight > 0, var.sqrt(), torch.ones(A)).clamp(min=d.value_sigma_min)
    kept = d.value_beta * weight if d.value_beta > 0 else weight
    added = 1 - d.value_beta if d.value_beta > 0 else float(len(y))
    first = (kept * mean + added * y.mean(0)) / (kept + added)
    second = (kept * (var + mean * mean) + added * (y * y).mean(0)) / (kept + added)
    new_sigma = (second - first * first).sqrt().clamp(min=d.value_sigma_min)
    critic[-2] *= (sigma / new_sigma).float()
    critic[-1].copy_(((sigma * critic[-1] + mean - first) / new_sigma).float())
    return first.float(), new_sigma.float()


def gae(d, b):
    advantage = torch.empty_like(b.value)
    follows, running = b.last_value, torch.zeros_like(b.last_value)
    for t in reversed(range(b.value.shape[1])):
        ended = b.ended[:, t, None]
        follows = torch.where(ended, b.bootstrap[:, t], follows)
        running = torch.where(ended, torch.zeros_like(running), running)
        delta = b.reward[:, t] + d.gamma * follows - b.value[:, t]
        running = delta + d.gamma * d.gae_lambda * running
        advantage[:, t] = running
        follows = b.value[:, t]
    return advantage


def optimiser(d, layers, step, moments):
    for x in layers:
        x.requires_grad_(True)
    adam = torch.optim.Adam(
        layers, lr=d.lr, betas=(d.adam_beta1, d.adam_beta2), eps=d.adam_eps, foreach=True
    )
    for x, m, v in zip(layers, *moments):
        adam.state[x] = {"step": torch.tensor(float(step)), "exp_avg": m, "exp_avg_sq": v}
    return adam


def clip_actors(layers, longest):
    """Each actor's gradient at most `longest`; the first axis tells the actors apart."""
    norm = torch.stack([x.grad.flatten(1).square().sum(1) for x in layers]).sum(0).sqrt()
    factor = (longest / norm).clamp(max=1.0).view(-1, 1, 1)
    torch._foreach_mul_([x.grad for x in layers], [factor] * len(layers))


def loss_of(d, nets, b, envs):
    """envs: the minibatch; b.advantage, b.old and b.target are normalised."""
    A, F = d.n_agents, d.n_factors
    rows = len(envs) * d.n_steps

    def take(x):
        return x.index_select(1, envs).reshape(A, rows, *x.shape[3:])

    logp_all = masked_log_softmax(nets.logits(take(b.actor_in)), take(b.allowed))
    logp = logp_all.gather(-1, take(b.action).unsqueeze(-1)).view(A, rows, F).sum(-1)
    ratio = (logp - take(b.logp_first)).exp()
    advantage, weight = take(b.advantage), take(b.chose)
    gain = torch.minimum(ratio * advantage, ratio.clamp(1 - d.clip, 1 + d.clip) * advantage)
    if d.entropy != 0.0:
        gain = gain - d.entropy * (logp_all.exp() * logp_all).sum((-1, -2))
    policy = -((gain * weight).sum(1) / weight.sum(1).clamp(min=1)).sum()
    value = nets.forward(nets.critic, b.critic_in.index_select(0, envs).view(rows, -1))
    old = b.old.index_select(0, envs).view(rows, A)
    target = b.target.index_select(0, envs).view(rows, A)
    cut = old + (value - old).clamp(-d.value_clip, d.value_clip)
    huber = torch.nn.HuberLoss(reduction="none", delta=d.huber_delta)
    return policy + torch.maximum(huber(value, target), huber(cut, target)).mean()


def prepare(d, nets, b):
    advantage = gae(d, b)
    target = advantage + b.value
    mean, sigma = popart(d, nets.critic, target)
    b.old, b.target = (b.value - mean) / sigma, (target - mean) / sigma
    x = advantage.permute(2, 0, 1)
    n = b.chose.sum((1, 2), keepdim=True).clamp(min=1)
    x_mean = (x * b.chose).sum((1, 2), keepdim=True) / n
    var = ((x - x_mean).square() * b.chose).sum((1, 2), keepdim=True) / n
    b.advantage = ((x - x_mean) / (var.sqrt() + d.advantage_eps)).contiguous()
    b.logp_first = b.logp.permute(2, 0, 1).contiguous()


def update(d, nets, b, minibatches, adams):
    for envs in minibatches:
        for adam in adams:
            adam.zero_grad(set_to_none=True)
        loss_of(d, nets, b, envs).backward()
        if d.grad_norm > 0:
            clip_actors(nets.actor, d.grad_norm)
            torch.nn.utils.clip_grad_norm_(nets.critic, d.grad_norm, error_if_nonfinite=False)
        for adam in adams:
            adam.step()


def minibatches_of(d):
    of = np.array(d.minibatch_of).reshape(d.epochs, d.n_env)
    return [torch.from_numpy(np.flatnonzero(e == m)) for e in of for m in range(d.minibatches)]


def begin(d):
    """Networks and optimisers as they were before the update."""
    if len(d.actor_at) != d.n_agents or d.critic_sizes[-1] != d.n_agents or d.activation != "tanh":
        sys.exit("peer_torch: expected one tanh actor for each agent and a central critic")
    before = floats(d.before.params, -1)
    m, v = (Networks(d, floats(x, -1)) for x in (d.adam_m, d.adam_v))
    nets = Networks(d, before)
    return nets, [(nets.actor, d.adam_t_actor, (m.actor, v.actor)),
                  (nets.critic, d.adam_t_critic, (m.critic, v.critic))]


# ---- is it the same mathematics? ----


def relative(mine, theirs):
    return float((mine - theirs).abs().max() / theirs.abs().max())


def check(d, b):
    nets, parts = begin(d)
    A, E, T = d.n_agents, d.n_env, d.n_steps
    logits = nets.logits(b.actor_in.view(A, E * T, -1))
    logp_all = masked_log_softmax(logits, b.allowed.view(A, E * T, d.n_factors, -1))
    logp = logp_all.gather(-1, b.action.view(A, E * T, -1, 1)).sum((-1, -2))
    was = b.logp.permute(2, 0, 1).reshape(A, E * T)
    found = [("log-probabilities", relative(logp, was), OUTPUTS)]
    weight, mean, var = torch.tensor(list(d.before.value_norm), dtype=torch.float64).view(3, A)
    sigma = torch.where(weight > 0, var.sqrt(), torch.ones(A)).clamp(min=d.value_sigma_min)
    value = nets.forward(nets.critic, b.critic_in.view(E * T, -1)) * sigma + mean
    found.append(("values", relative(value, b.value.view(E * T, A)), OUTPUTS))
    first, after = (Networks(d, floats(x.params, -1)) for x in (d.before, d.after))
    prepare(d, nets, b)
    update(d, nets, b, minibatches_of(d), [optimiser(d, *part) for part in parts])
    for name in ("actor", "critic"):
        mine, ours, old = (
            torch.cat([x.detach().flatten() for x in getattr(of, name)])
            for of in (nets, after, first)
        )
        found.append((f"movement of the {name}", relative(mine - old, ours - old), MOVEMENT))
    for what, error, allowed in found:
        if not error <= allowed:
            sys.exit(
                f"peer_torch: {what}: the programs differ by {error:.2g}, {allowed:g} is allowed;"
                " their mathematics is not the same"
            )
    return ", ".join(f"{what} within {error:.0e}" for what, error, _ in found)


# ---- what is timed ----


class Peer:
    """Rollouts in a torch twin, and updates from the batch of the dump."""

    def __init__(self, d, b):
        self.d, self.b = d, b
        self.nets, parts = begin(d)
        self.adams = [optimiser(d, *part) for part in parts]
        self.minibatches = minibatches_of(d)
        torch.manual_seed(1)
        self.twin = []
        for rows, columns in zip(TWIN_SIZES, TWIN_SIZES[1:]):
            self.twin += [torch.randn(rows, columns) / rows**0.5, torch.zeros(1, columns)]
        n_out = TWIN_SIZES[-1] // 2
        self.noise = torch.randn(4096, n_out)
        self.state = torch.randn(d.n_env, n_out)
        self.pick = torch.randint(0, n_out, (d.n_agents * d.actor_sizes[0],))
        self.pick_critic = torch.randint(0, n_out, (d.critic_sizes[0],))

    def step(self, action):
        """The next state of the twin: state, state before, actions, padding."""
        E, n = self.d.n_env, self.state.shape[1]
        rest = TWIN_SIZES[0] - 2 * n
        moves = action.permute(1, 0, 2).reshape(E, -1)[:, :rest].float()
        x = torch.cat([self.state, self.state, moves, torch.zeros(E, rest - moves.shape[1])], 1)
        for i in range(0, len(self.twin), 2):
            x = torch.addmm(self.twin[i + 1], x, self.twin[i])
            x = torch.relu_(x) if i + 2 < len(self.twin) else x
        z = self.noise[torch.randint(0, len(self.noise), (E,))]
        self.state = (x[:, :n] + x[:, n:].clamp(-7, 4).exp() * z).clamp_(-3, 3)

    @torch.no_grad()
    def rollout(self):
        d, b = self.d, self.b
        A, E = d.n_agents, d.n_env
        states = []
        for t in range(d.n_steps):
            states.append(self.state.index_select(1, self.pick_critic))
            seen = self.state.index_select(1, self.pick).view(E, A, -1).transpose(0, 1).contiguous()
            logp_all = masked_log_softmax(self.nets.logits(seen), b.allowed[:, :, t])
            p = logp_all.exp().view(-1, d.n_choices)
            action = torch.multinomial(p, 1).view(A, E, d.n_factors)
            logp_all.gather(-1, action.unsqueeze(-1)).sum((-1, -2))
            self.step(action)
        self.nets.forward(self.nets.critic, torch.cat(states))

    def iteration(self):
        """CPU seconds of a rollout, and of an update."""
        start = cpu_s()
        self.rollout()
        middle = cpu_s()
        with torch.no_grad():
            prepare(self.d, self.nets, self.b)
        update(self.d, self.nets, self.b, self.minibatches, self.adams)
        return middle - start, cpu_s() - middle


def median_and_range(x):
    return f"{statistics.median(x):.4g} ({min(x):.4g} to {max(x):.4g})"


def compare(karma, twin, setting, rounds, directory):
    name, envs, steps, _, _, updates = setting
    dump = f"{directory}/dump.bin"
    train(karma, twin, directory, setting, 2, ("--dump-update", "2", dump))
    d = read_dump(dump, directory)
    print(f"\n{name}: {d.n_agents} actors {'-'.join(map(str, d.actor_sizes))},"
          f" critic {'-'.join(map(str, d.critic_sizes))}")
    b = Batch(d)
    print(f"  checked: {check(d, b)}")
    peer, ours, theirs, ratios, rollouts = Peer(d, b), [], [], [], []
    peer.iteration()
    for _ in range(rounds):
        base = train(karma, twin, directory, setting, 1)
        ours.append((train(karma, twin, directory, setting, 1 + updates) - base) / updates)
        parts = [peer.iteration() for _ in range(max(2, updates // 4))]
        theirs.append(statistics.median(a + c for a, c in parts))
        rollouts.append(statistics.median(a for a, _ in parts))
        ratios.append(theirs[-1] / ours[-1])
    for who, times in (("karma", ours), ("PyTorch", theirs)):
        print(f"  {who:8} {envs * steps / statistics.median(times):9.0f} env-steps/s,"
              f" {median_and_range([1e3 * t for t in times])} ms of CPU per update")
    print(f"  PyTorch's rollout alone: {1e3 * statistics.median(rollouts):.3g} ms")
    print(f"  speed-up {median_and_range(ratios)}, {rounds} rounds in turn")


def check_file(path):
    with tempfile.TemporaryDirectory() as directory:
        d = read_dump(path, directory)
        print(f"checked: {check(d, Batch(d))}")


def main():
    arguments = sys.argv[1:]
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if len(arguments) == 2 and arguments[0] == "--check":
        return check_file(arguments[1])
    if len(arguments) != 3 or not arguments[2].isdigit() or int(arguments[2]) < 1:
        sys.exit("usage: peer_torch.py KARMA TWIN ROUNDS, or peer_torch.py --check DUMP")
    karma, twin, rounds = arguments[0], arguments[1], int(arguments[2])
    if not os.path.exists(twin):
        sys.exit(f"peer_torch: there is no twin {twin}; `make run` fits one, or add TWIN_FILE=FILE")
    told = {x: os.environ.get(x, "not set") for x in ("OPENBLAS_CORETYPE", "ATEN_CPU_CAPABILITY")}
    told = ", ".join(f"{name}={value}" for name, value in told.items())
    print(f"torch {torch.__version__}, one thread, CPU time; {told}")
    with tempfile.TemporaryDirectory() as directory:
        for setting in SETTINGS:
            compare(karma, twin, setting, rounds, directory)


if __name__ == "__main__":
    main()
