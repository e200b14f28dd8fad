"""What a PyTorch worker can do: load a module, change its state and precision, run it, differentiate and train it.

Randomness and state are observed below autograd, with a `TorchDispatchMode`, so that every way of writing a dropout
is seen: a layer, a function, one inside attention or an LSTM, a hand-written drop path.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Mapping

import numpy as np
import torch
from torch.export._tree_utils import reorder_kwargs
from torch.utils._python_dispatch import TorchDispatchMode

from netglot.dialects.torch.packed import pad_in_full
from netglot.dialects.torch.prepare import forget_caches
from netglot.verify.arrays import build_call, each_array, read_arrays, write_arrays
from netglot.verify.steps import MOVED
from netglot.verify.torch_defaults import single_epsilon

aten = torch.ops.aten

BATCH_NORMS = {
    aten.native_batch_norm.default: 6,
    aten._native_batch_norm_legit.default: 6,
    aten._batch_norm_with_update.default: 5,
}
"""The ops that update running statistics, with the position of `momentum`; input and statistics stand at 0, 3, 4."""

OPTIMISERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}


class Runtime:
    """The operations of the worker; each takes and returns JSON, arrays by way of `arrays`."""

    OPERATIONS = (
        "load", "describe", "set_dtype", "repair", "restore", "set_state", "state", "run", "gradients",
        "rate", "train", "dropout", "intermediates",
    )  # fmt: skip

    def __init__(self, folder):
        # PyTorch's shortcut through nested tensors, taken without gradients only, puts zeros where the padding is
        torch.backends.mha.set_fastpath_enabled(False)
        self.folder = folder
        self.module: torch.nn.Module
        self.call: dict = {}
        self.dtype = "float32"
        self.stored = torch.float32
        self.exact: tuple[str, ...] = ()
        self.saved = os.path.join(folder, "state.pt")

    def load(self, call, kind, path=None, source=None, weights=None, operators=()):
        """Loads the module. `call` is a JSON tree, see `arrays.build_call`.

        kind "pickle": `path` is a cloudpickle of the module; "source": what `netglot.frontend` resolves, with a
        weights file if there is one; "program": `path` is an ExportedProgram.
        """
        _declare(operators)
        pad_in_full()
        torch.set_default_dtype(torch.float32)
        if kind == "pickle":
            import cloudpickle

            with open(path, "rb") as file:
                self.module = cloudpickle.load(file)
        elif kind == "source":
            from netglot.frontend.source import load_source

            self.module = load_source(source)
            if weights:
                from netglot.frontend.weights import load_into

                load_into(self.module, weights)
        else:
            import netglot.dialects.torch.capture  # noqa: F401  (defines the custom ops that a program may hold)

            self.module = torch.export.load(path).module()
        self.call = call
        for module in self.module.modules():
            _settled(module)
        self.dtype, self.exact = "float32", ()
        self.stored = stored_in(self.module)
        torch.save({name: tensor.detach() for name, tensor in self._tensors()}, self.saved)
        return self.describe()

    def describe(self):
        """The parameters and buffers: `[[name, shape, dtype, trainable], ...]`."""
        trainable = {name for name, p in self.module.named_parameters() if p.requires_grad}
        return {
            "state": [[n, list(t.shape), str(t.dtype).split(".")[1], n in trainable] for n, t in self._tensors()],
            "framework": f"torch {torch.__version__}",
        }

    def set_dtype(self, dtype):
        """Makes the whole network compute in `dtype`: parameters, buffers, and tensors held as plain attributes."""
        wanted = getattr(torch, dtype)
        self.module.to(wanted)
        for module in self.module.modules():
            for name, held in vars(module).items():
                if isinstance(held, torch.Tensor) and held.is_floating_point():
                    setattr(module, name, held.detach().to(wanted))
        torch.set_default_dtype(wanted)
        self.dtype = dtype

    def repair(self, names):
        """Computes these known imprecisions exactly from now on (see `REPAIRS`), so that what is left is not theirs."""
        self.exact = tuple(names)

    def restore(self):
        """Sets the state back to what it was when the module was loaded."""
        held = torch.load(self.saved, weights_only=True)
        forget_caches(self.module)
        with torch.no_grad():
            for name, tensor in self._tensors():
                self._put(name, tensor, held[name])

    def set_state(self, arrays):
        """Overwrites parameters and buffers by name."""
        table = dict(self._tensors(duplicates=True))
        forget_caches(self.module)
        with torch.no_grad():
            for name, array in each_array(arrays):
                self._put(name, table[name], _tensor(array))

    def _put(self, name, tensor, value):
        """Overwrites a parameter or buffer; a buffer that a run made anew in another size is what it was again."""
        if tensor.shape == value.shape:
            tensor.copy_(value)
        else:
            owner, _, own = name.rpartition(".")
            setattr(self.module.get_submodule(owner), own, value.to(tensor.dtype).clone())

    def state(self, names=None):
        """Parameters and buffers, all or those named."""
        return self._write({n: t for n, t in self._tensors() if names is None or n in names})

    def run(self, inputs, training=False, steady=False):
        """The outputs by name; of a network that keeps states between calls, those of a second call.

        `steady` switches all random dropping off."""
        self._mode(training)
        with torch.no_grad(), self._watch(steady):
            given = self._inputs(inputs)
            return self._write(self._outputs(given) if training else self._settled(given))

    def gradients(self, inputs, cotangents):
        """Gradients of `sum(output * cotangent)` to every parameter and every input of floats, in inference mode.

        Inputs are named `input:NAME` in the result. A tensor that the sum does not depend on has gradient zero.
        """
        forget_caches(self.module)  # they were filled by runs without gradients
        self._mode(False)
        weights = {name: _tensor(array, self.dtype) for name, array in each_array(cotangents)}
        given = self._inputs(inputs)
        watched = {f"input:{name}": t.requires_grad_() for name, t in given.items() if t.is_floating_point()}
        watched.update({name: p for name, p in self.module.named_parameters() if p.requires_grad})
        with self._watch(steady=True), self._kept_buffers():
            outputs = self._outputs(given)
            total = sum((outputs[name] * weight).sum() for name, weight in weights.items())
            found = torch.autograd.grad(total, list(watched.values()), allow_unused=True)
        return self._write(
            {name: torch.zeros_like(t) if g is None else g for (name, t), g in zip(watched.items(), found, strict=True)}
        )

    def train(self, inputs, targets, steps, rate, optimiser="sgd", frozen=()):
        """Trains on one batch, nothing dropped; the loss is the mean of `(output - target) ** 2`, summed over outputs.

        Args:
            targets: arrays by output name, in the order of the source's axes. Outputs are matched by position where
                training mode names them differently.
            frozen: parameters that the optimiser leaves alone.

        Returns:
            `losses`; `first`, the buffers after the first step; `last`, the state after the last step; and
            `biased_first`, `biased_last`: the running variances as they would be with the biased estimate.
        """
        self._mode(True)
        given, wanted = self._inputs(inputs), list(read_arrays(targets).items())
        held = self._trainable(frozen)
        stepper = OPTIMISERS[optimiser](held, lr=rate)
        losses, watch, result = [], self._watch(steady=True), {}
        outputs: dict = {}
        for step in range(steps):
            with watch:
                outputs = self._outputs(given)
                loss = _loss(outputs, wanted)
                stepper.zero_grad()
                loss.backward()
            stepper.step()
            losses.append(loss.item())
            if step == 0:
                result["first"] = self.state([name for name, _ in self.module.named_buffers()])
                result["biased_first"] = self._write(watch.biased_by_name(self._tensors()))
        stepper.zero_grad()
        result["biased_last"] = self._write(watch.biased_by_name(self._tensors()))
        return {"losses": losses, "outputs": list(outputs), **result, "last": self.state()}

    def rate(self, inputs, targets, frozen=()):
        """A learning rate at which the first step of `train` moves the parameters by a small part of their norm.

        Small, because batch normalisation over a small batch makes larger steps chaotic: two runs of the source
        itself, a rounding apart, part within a few steps. What differs between right and wrong is measured against
        how far each parameter moved, so it shows as well.
        """
        self._mode(True)
        held = self._trainable(frozen)
        with self._kept_buffers(), self._watch(steady=True):
            loss = _loss(self._outputs(self._inputs(inputs)), list(read_arrays(targets).items()))
            found = torch.autograd.grad(loss, held, allow_unused=True)
        slope = sum(float((g**2).sum()) for g in found if g is not None) ** 0.5
        size = sum(float((p.detach() ** 2).sum()) for p in held) ** 0.5
        return MOVED * size / slope if slope else MOVED

    def dropout(self, inputs, runs):
        """How random dropping behaves in training: for each place where noise is drawn, in order of execution,
        `[rate, elements drawn in one run, fraction dropped, scale of the survivors]` over `runs` runs."""
        self._mode(True)
        places: list[list] = []
        given = self._inputs(inputs)
        with torch.no_grad(), self._kept_buffers():
            for _ in range(runs):
                with self._watch() as watch:
                    self._outputs(given)
                for index, (rate, size, dropped, scale) in enumerate(watch.noise()):
                    if index == len(places):
                        places.append([rate, size, 0.0, scale])
                    places[index][2] += dropped / runs
        return places

    def intermediates(self, inputs, program, names):
        """Values inside the exported program at `program`, computed with the module's present state.

        `names` maps the fx node's name to the name under which its value is returned; a list of names for a node
        with several results. Nodes that the program lacks are left out.
        """
        import netglot.dialects.torch.capture  # noqa: F401  (defines the custom ops that a program may hold)

        self._mode(False)
        exported = torch.export.load(program)
        interpreter = _Recorder(exported.graph_module, names)
        with torch.no_grad(), self._watch(steady=True):
            interpreter.run(*self._placeholders(exported, self._inputs(inputs)), enable_io_processing=False)
        return self._write(interpreter.seen)

    # -- pieces

    def _watch(self, steady=False):
        replaced = {self.stored} | ({torch.float32} if self.dtype == "float64" else set())
        return _Watch(getattr(torch, self.dtype), replaced, steady=steady, repairs=self.exact)

    def _trainable(self, frozen):
        return [p for n, p in self.module.named_parameters() if p.requires_grad and n not in frozen]

    def _settled(self, given):
        """The outputs in inference, of a second call where the first changes buffers, which are put back."""
        before = {name: tensor.clone() for name, tensor in self.module.named_buffers()}
        with self._kept_buffers():
            outputs = self._outputs(given)
            after = dict(self.module.named_buffers())
            if any(name in after and not torch.equal(after[name], tensor) for name, tensor in before.items()):
                outputs = self._outputs(given)
        return outputs

    @contextlib.contextmanager
    def _kept_buffers(self):
        """Puts the buffers back that a run in training mode changes."""
        before = {name: tensor.clone() for name, tensor in self.module.named_buffers()}
        yield
        with torch.no_grad():
            for name, tensor in self.module.named_buffers():
                if name in before and tensor.shape == before[name].shape:  # a table may have grown
                    tensor.copy_(before[name])

    def _placeholders(self, exported, given):
        """The values of the program's placeholders: state by name, then the call's tensors in order."""
        state = dict(self._tensors(duplicates=True))
        args, kwargs = self._arguments(given)
        kwargs = reorder_kwargs(kwargs, exported.call_spec.in_spec)
        leaves = iter(torch.utils._pytree.tree_leaves((args, kwargs)))
        for spec in exported.graph_signature.input_specs:
            if spec.kind.name == "USER_INPUT":
                yield next(leaves)
            elif spec.target in state:
                yield state[spec.target].detach()
            else:
                held = exported.state_dict.get(spec.target, exported.constants.get(spec.target))
                floating = isinstance(held, torch.Tensor) and held.is_floating_point()
                yield held.detach().to(getattr(torch, self.dtype)) if floating else held

    def _tensors(self, duplicates=False):
        """Parameters and buffers with their names; a shared one once unless `duplicates`."""
        yield from self.module.named_parameters(remove_duplicate=not duplicates)
        yield from self.module.named_buffers(remove_duplicate=not duplicates)

    def _mode(self, training):
        try:
            self.module.train(training)
        except NotImplementedError:  # an exported program has one mode
            if training:
                raise ValueError("an exported program cannot be trained: give the model itself") from None

    def _inputs(self, table):
        return {name: _tensor(array, self.dtype) for name, array in each_array(table)}

    def _arguments(self, given):
        args = tuple(build_call(tree, given.__getitem__) for tree in self.call.get("args", []))
        return args, {k: build_call(tree, given.__getitem__) for k, tree in self.call.get("kwargs", {}).items()}

    def _outputs(self, given):
        args, kwargs = self._arguments(given)
        with single_epsilon():
            return dict(flatten(self.module(*args, **kwargs)))

    def _write(self, tensors):
        return write_arrays(self.folder, {name: _array(tensor) for name, tensor in tensors.items()})


def _settled(module):
    """Makes a module of transformers keep no cache, and gives back what its constructor noted and no pickle carries."""
    if hasattr(getattr(module, "config", None), "use_cache"):
        module.config.use_cache = False
    library = sys.modules.get("transformers.utils.output_capturing")
    if library is not None and getattr(module, "_can_record_outputs", None):
        library._CAN_RECORD_REGISTRY[module] = module._can_record_outputs


_libraries = []


def _declare(schemas):
    """Declares operators that the sender knew and this process does not, in namespaces that are new here."""
    known = {name.partition("::")[0] for name in torch._C._dispatch_get_all_op_names()}
    for schema in schemas:
        namespace, _, rest = schema.partition("::")
        if namespace not in known:
            library = torch.library.Library(namespace, "FRAGMENT")
            library.define(rest)
            _libraries.append(library)


def hardsigmoid(func, args, kwargs):
    """The gradient with a sixth in full precision."""
    gradient, x = args
    return torch.where(x.abs() < 3, gradient / 6, torch.zeros_like(gradient))


def celu(func, args, kwargs):
    """The gradient with 1/alpha in full precision."""
    gradient, alpha, scale, inverse, *rest = args
    if scale == 1 and abs(inverse * alpha - 1) < 1e-6:
        inverse = 1 / alpha
    return func(gradient, alpha, scale, inverse, *rest, **kwargs)


REPAIRS = {aten.hardsigmoid_backward.default: hardsigmoid, aten.elu_backward.default: celu}
"""Known imprecisions: the op below autograd that has them, and its repair; see `compare.KNOWN`."""


def stored_in(module):
    """The dtype of all floating-point parameters; float32 where there are none, or of several."""
    kinds = {parameter.dtype for parameter in module.parameters() if parameter.is_floating_point()}
    return kinds.pop() if len(kinds) == 1 else torch.float32


class _Watch(TorchDispatchMode):
    """Sees every op below autograd: takes one dtype for others, holds randomness still, keeps count.

    Then `x.float()` in a network means float64 as well, so that a float64 run is one throughout, and `x.half()` in a
    network that is stored in half precision means float32 in a float32 run.
    """

    def __init__(self, dtype, replaced, steady=False, repairs=()):
        super().__init__()
        self.repairs = {op: repair for op, repair in REPAIRS.items() if repair.__name__ in repairs}
        self.dtype, self.replaced = dtype, replaced - {dtype}
        self.steady = steady
        self.drawn: list = []
        self.biased: dict = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if kwargs.get("dtype") in self.replaced:
            kwargs["dtype"] = self.dtype
        if func in self.repairs:
            return self.repairs[func](func, args, kwargs)
        if func in BATCH_NORMS and args[3] is not None:
            return self._batch_norm(func, args, kwargs)
        if func in (aten.bernoulli_.float, aten.bernoulli.p):
            return self._bernoulli(func, args, kwargs)
        if func in (aten.bernoulli.default, aten.bernoulli_.Tensor) and self.steady:
            return args[0].copy_(args[1]) if func is aten.bernoulli_.Tensor else args[0].clone()
        if func in (aten.div_.Scalar, aten.div_.Tensor):
            self._divided(*args)
        return func(*args, **kwargs)

    def _bernoulli(self, func, args, kwargs):
        """Noise that keeps an element with probability `p`. Held still it is its mean, which the scale undoes."""
        keep = float(args[1] if len(args) > 1 else kwargs.get("p", 0.5))
        if self.steady:
            return args[0].fill_(keep) if func is aten.bernoulli_.float else torch.full_like(args[0], keep)
        noise = func(*args, **kwargs)
        self.drawn.append([noise, 1 - keep, noise.numel(), float((noise == 0).double().mean()), 1.0])
        return noise

    def _divided(self, tensor, by):
        """Survivors are scaled by dividing the noise; the drawn noise is held, so its address stays its own."""
        place = next((d for d in reversed(self.drawn) if d[0].data_ptr() == tensor.data_ptr()), None)
        if place is not None:
            place[4] /= float(by)

    def noise(self):
        """`(rate, size, fraction dropped, scale)` of each noise drawn."""
        return [place[1:] for place in self.drawn]

    def _batch_norm(self, func, args, kwargs):
        """Runs the op and keeps, beside the running variance, the one that the biased estimate would give."""
        variance, at = args[4], BATCH_NORMS[func]
        training = func is aten._batch_norm_with_update.default or args[5]
        before = variance.clone() if training else None
        result = func(*args, **kwargs)
        if training:
            momentum, count = args[at], args[0].numel() // args[0].shape[1]
            new = (variance - (1 - momentum) * before) * ((count - 1) / count)
            old = self.biased.get(variance.data_ptr(), before)
            self.biased[variance.data_ptr()] = (1 - momentum) * old + new
        return result

    def biased_by_name(self, tensors):
        """The biased running variances under the names of their buffers."""
        return {name: self.biased[t.data_ptr()] for name, t in tensors if t.numel() and t.data_ptr() in self.biased}


class _Recorder(torch.fx.Interpreter):
    """Runs an exported graph and keeps the values that have a name."""

    def __init__(self, module, names):
        super().__init__(module)
        self.names = names
        self.seen: dict = {}

    def run_node(self, n):
        if str(n.target).startswith("aten._assert"):  # says what the dtype was when the program was exported
            return None
        result = super().run_node(n)
        name = self.names.get(n.name)
        if isinstance(name, str) and isinstance(result, torch.Tensor):
            self.seen[name] = result.clone()
        elif isinstance(name, list) and isinstance(result, tuple | list):
            self.seen.update({one: r.clone() for one, r in zip(name, result, strict=False) if r is not None})
        return result


def flatten(tree, prefix=""):
    """The tensors in what a module returned, named as `pivot.graph.flatten_tree` names them; None is left out."""
    if isinstance(tree, torch.Tensor):
        yield prefix or "output", tree
        return
    if isinstance(tree, Mapping):
        branches = tree.items()
    elif dataclasses.is_dataclass(tree):
        branches = ((f.name, getattr(tree, f.name)) for f in dataclasses.fields(tree))
    elif isinstance(tree, list | tuple):
        branches = enumerate(branch for branch in tree if branch is not None)
    else:
        return
    for key, branch in branches:
        yield from flatten(branch, f"{prefix}.{key}" if prefix else str(key))


def _loss(outputs, targets):
    """The loss; where training mode names the outputs differently, they are matched by position."""
    if any(name not in outputs for name, _ in targets):
        floating = [t for t in outputs.values() if t.is_floating_point()]
        pairs = [(output, target) for output, (_, target) in zip(floating, targets, strict=False)]
    else:
        pairs = [(outputs[name], target) for name, target in targets]
    return sum(((output - _tensor(target, str(output.dtype).split(".")[1])) ** 2).mean() for output, target in pairs)


def _tensor(array, dtype=None):
    """A tensor from an array; floats become `dtype` where one is given."""
    if str(array.dtype) == "bfloat16":
        tensor = torch.from_numpy(array.view("int16").copy()).view(torch.bfloat16)
    else:
        tensor = torch.from_numpy(np.array(array))
    return tensor.to(getattr(torch, dtype)) if dtype and tensor.is_floating_point() else tensor


def _array(tensor):
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        import ml_dtypes

        return tensor.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.resolve_conj().resolve_neg().numpy()
