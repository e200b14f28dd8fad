"""Keras's optimisers: how each turns a gradient into a step, to the place of every epsilon."""

import torch


class Optimizer(torch.optim.Optimizer):
    """An optimiser as Keras has them: made before the weights are; its rate is a number or a function of the step."""

    def __init__(self, lr, clipnorm=None, clipvalue=None, global_clipnorm=None, weight_decay=None):
        super().__init__([{"params": []}], {"lr": lr})
        self.schedule, self.iterations, self.weight_decay = lr if callable(lr) else None, 0, weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm

    @property
    def learning_rate(self):
        """The rate of the next step."""
        step = self.iterations if hasattr(self.schedule, "__name__") else torch.tensor(self.iterations)  # or an object
        rate = self.param_groups[0]["lr"] if self.schedule is None else self.schedule(step)
        return torch.as_tensor(float(rate))

    @learning_rate.setter
    def learning_rate(self, rate):
        self.schedule, self.param_groups[0]["lr"] = None, float(rate)

    def watch(self, weights):
        """Takes weights that it has not met before."""
        known = {id(one) for one in self.param_groups[0]["params"]}
        self.param_groups[0]["params"] += [one for one in weights if id(one) not in known]

    @torch.no_grad()
    def step(self):
        weights = [one for one in self.param_groups[0]["params"] if one.grad is not None]
        gradients, rate = [one.grad for one in weights], float(self.learning_rate)
        squares = [squared(one) if one.is_sparse else None for one in gradients]
        gradients = [one.to_dense() if one.is_sparse else one for one in gradients]
        if self.clipnorm:
            gradients = [one * self.clipnorm / one.norm().clamp(min=self.clipnorm) for one in gradients]
        elif self.global_clipnorm:
            norm = torch.stack([one.norm() for one in gradients]).norm().clamp(min=self.global_clipnorm)
            gradients = [one * self.global_clipnorm / norm for one in gradients]
        elif self.clipvalue:
            gradients = [one.clamp(-self.clipvalue, self.clipvalue) for one in gradients]
        self.iterations += 1
        for weight, gradient, square in zip(weights, gradients, squares):
            if self.weight_decay:
                weight -= rate * self.weight_decay * weight
            self.move(weight, gradient, gradient**2 if square is None else square, self.state[weight], rate)


def squared(gradient):
    """Squares of a sparse gradient: a row that a batch looks up twice counts twice, as in Keras on TensorFlow."""
    squares = gradient._values() ** 2
    return torch.sparse_coo_tensor(gradient._indices(), squares, gradient.shape, check_invariants=False).to_dense()


class SGD(Optimizer):
    """Gradient descent; the learning rate is part of the momentum."""

    def __init__(self, lr=0.01, momentum=0.0, nesterov=False, **options):
        super().__init__(lr, **options)
        self.momentum, self.nesterov = momentum, nesterov

    def move(self, weight, gradient, square, state, rate):
        step = -rate * gradient
        if self.momentum:
            held = state.setdefault("held", torch.zeros_like(weight))
            held.mul_(self.momentum).add_(step)
            step = self.momentum * held + step if self.nesterov else held
        weight += step


class Adam(Optimizer):
    """Adam; epsilon is added before the bias is corrected."""

    def __init__(self, lr=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False, **options):
        super().__init__(lr, **options)
        self.beta_1, self.beta_2, self.epsilon, self.amsgrad = beta_1, beta_2, epsilon, amsgrad

    def move(self, weight, gradient, square, state, rate):
        mean, squares = (state.setdefault(name, torch.zeros_like(weight)) for name in ("mean", "squares"))
        mean.lerp_(gradient, 1 - self.beta_1)
        squares.lerp_(square, 1 - self.beta_2)
        if self.amsgrad:
            squares = state["largest"] = torch.maximum(state.get("largest", squares), squares)
        corrected = (1 - self.beta_2**self.iterations) ** 0.5 / (1 - self.beta_1**self.iterations)
        weight -= rate * corrected * mean / (squares.sqrt() + self.epsilon)


class AdamW(Adam):
    """Adam whose weights shrink by themselves."""

    def __init__(self, lr=0.001, weight_decay=0.004, **options):
        super().__init__(lr, weight_decay=weight_decay, **options)


class Adamax(Optimizer):
    """Adam with the largest gradient in place of the root of squares."""

    def __init__(self, lr=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **options):
        super().__init__(lr, **options)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def move(self, weight, gradient, square, state, rate):
        mean, largest = (state.setdefault(name, torch.zeros_like(weight)) for name in ("mean", "largest"))
        mean.lerp_(gradient, 1 - self.beta_1)
        largest.copy_(torch.maximum(self.beta_2 * largest, gradient.abs()))
        weight -= rate / (1 - self.beta_1**self.iterations) * mean / (largest + self.epsilon)


class Nadam(Optimizer):
    """Adam with Nesterov's momentum."""

    def __init__(self, lr=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **options):
        super().__init__(lr, **options)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def move(self, weight, gradient, square, state, rate):
        mean, squares = (state.setdefault(name, torch.zeros_like(weight)) for name in ("mean", "squares"))
        mean.lerp_(gradient, 1 - self.beta_1)
        squares.lerp_(square, 1 - self.beta_2)
        now, after = (self.beta_1 * (1 - 0.5 * 0.96**step) for step in (self.iterations, self.iterations + 1))
        product = state["product"] = state.get("product", 1.0) * now
        ahead = after * mean / (1 - product * after) + (1 - now) * gradient / (1 - product)
        weight -= rate * ahead / ((squares / (1 - self.beta_2**self.iterations)).sqrt() + self.epsilon)


class RMSprop(Optimizer):
    """RMSprop; epsilon is under the root."""

    def __init__(self, lr=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False, **options):
        super().__init__(lr, **options)
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered

    def move(self, weight, gradient, square, state, rate):
        square = state.setdefault("squares", torch.zeros_like(weight)).lerp_(square, 1 - self.rho)
        if self.centered:
            mean = state.setdefault("mean", torch.zeros_like(weight)).lerp_(gradient, 1 - self.rho)
            square = square - mean**2
        step = rate * gradient * torch.rsqrt(square + self.epsilon)
        if self.momentum:
            step = state.setdefault("held", torch.zeros_like(weight)).mul_(self.momentum).add_(step)
        weight -= step


class Adagrad(Optimizer):
    """Adagrad; epsilon is under the root."""

    def __init__(self, lr=0.001, initial_accumulator_value=0.1, epsilon=1e-7, **options):
        super().__init__(lr, **options)
        self.initial, self.epsilon = initial_accumulator_value, epsilon

    def move(self, weight, gradient, square, state, rate):
        total = state.setdefault("total", torch.full_like(weight, self.initial)).add_(square)
        weight -= rate * gradient / (total + self.epsilon).sqrt()


class Adadelta(Optimizer):
    """Adadelta; its rate is 0.001 where none is given."""

    def __init__(self, lr=0.001, rho=0.95, epsilon=1e-7, **options):
        super().__init__(lr, **options)
        self.rho, self.epsilon = rho, epsilon

    def move(self, weight, gradient, square, state, rate):
        squares, moved = (state.setdefault(name, torch.zeros_like(weight)) for name in ("squares", "moved"))
        squares.lerp_(square, 1 - self.rho)
        step = gradient * ((moved + self.epsilon) / (squares + self.epsilon)).sqrt()
        moved.lerp_(step**2, 1 - self.rho)
        weight -= rate * step


class Lion(Optimizer):
    """Steps by the signs of a momentum."""

    def __init__(self, lr=0.001, beta_1=0.9, beta_2=0.99, **options):
        super().__init__(lr, **options)
        self.beta_1, self.beta_2 = beta_1, beta_2

    def move(self, weight, gradient, square, state, rate):
        mean = state.setdefault("mean", torch.zeros_like(weight))
        weight -= rate * torch.sign(mean * self.beta_1 + gradient * (1 - self.beta_1))
        mean.lerp_(gradient, 1 - self.beta_2)


def apply_gradients(optimizer, pairs):
    """One step of an optimiser with the gradient of each weight."""
    pairs = list(pairs)
    optimizer.watch(weight for _, weight in pairs)
    for weight in optimizer.param_groups[0]["params"]:
        weight.grad = None
    for gradient, weight in pairs:
        weight.grad = gradient
    optimizer.step()


def minimize(optimizer, loss, weights):
    """One step that makes a loss, or what a function gives as the loss, smaller."""
    weights = list(weights() if callable(weights) else weights)
    loss = loss() if callable(loss) else loss
    apply_gradients(optimizer, zip(torch.autograd.grad(loss, weights, allow_unused=True), weights))


def optimizer_named(given):
    """An optimiser by Keras's name for it, or as it is given."""
    known = {
        "adam": Adam, "adamw": AdamW, "sgd": SGD, "rmsprop": RMSprop, "adagrad": Adagrad, "adadelta": Adadelta,
        "adamax": Adamax, "nadam": Nadam, "lion": Lion,
    }  # fmt: skip
    return known[given.lower()]() if isinstance(given, str) else given
