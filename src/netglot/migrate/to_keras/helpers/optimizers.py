"""Optimisers and schedules that an emitted file defines where Keras's own do otherwise than PyTorch's.

Epsilon, the place of weight decay, dampening and the correction of moments differ; each class says its difference.
"""

from __future__ import annotations

HELPERS: dict[str, str] = {
    "SGD": '''
class SGD(keras.optimizers.SGD):
    """Gradient descent as PyTorch has it: the learning rate is no part of the momentum, `l2` adds to the gradients."""

    def __init__(self, learning_rate=1e-3, momentum=0.0, dampening=0.0, l2=0.0, nesterov=False):
        super().__init__(learning_rate, momentum=momentum, nesterov=nesterov)
        self.dampening, self.l2 = dampening, l2

    def update_step(self, gradient, variable, learning_rate):
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype) + self.l2 * variable
        if self.momentum:
            held = self.momentums[self._get_variable_index(variable)]
            share = ops.where(self.iterations == 0, 1.0, 1.0 - self.dampening)
            held.assign(self.momentum * held + ops.cast(share, variable.dtype) * gradient)
            gradient = gradient + self.momentum * held if self.nesterov else held
        variable.assign_sub(rate * gradient)
''',
    "Adam": '''
class Adam(keras.optimizers.Adam):
    """Adam as PyTorch has it: epsilon after the correction; `l2` adds to the gradients, `decay` shrinks the weights."""

    def __init__(self, learning_rate=1e-3, betas=(0.9, 0.999), epsilon=1e-8, l2=0.0, decay=0.0, amsgrad=False):
        super().__init__(learning_rate, betas[0], betas[1], epsilon, amsgrad)
        self.l2, self.decay = l2, decay

    def update_step(self, gradient, variable, learning_rate):
        rate, step = ops.cast(learning_rate, variable.dtype), ops.cast(self.iterations + 1, variable.dtype)
        variable.assign_sub(rate * self.decay * variable)
        gradient = ops.cast(gradient, variable.dtype) + self.l2 * variable
        index = self._get_variable_index(variable)
        mean, square = self._momentums[index], self._velocities[index]
        mean.assign(self.beta_1 * mean + (1 - self.beta_1) * gradient)
        square.assign(self.beta_2 * square + (1 - self.beta_2) * ops.square(gradient))
        if self.amsgrad:
            self._velocity_hats[index].assign(ops.maximum(self._velocity_hats[index], square))
            square = self._velocity_hats[index]
        scale = ops.sqrt(square / (1 - self.beta_2**step)) + self.epsilon
        variable.assign_sub(rate * mean / (1 - self.beta_1**step) / scale)
''',
    "NAdam": '''
class NAdam(keras.optimizers.Adam):
    """Adam with Nesterov's momentum, whose weight grows with the steps, as PyTorch has it."""

    def __init__(self, learning_rate=2e-3, betas=(0.9, 0.999), epsilon=1e-8, l2=0.0, momentum_decay=4e-3):
        super().__init__(learning_rate, betas[0], betas[1], epsilon)
        self.l2, self.momentum_decay = l2, momentum_decay
        self.product = keras.Variable(1.0, trainable=False, name="product")

    def share(self, step):
        return self.beta_1 * (1 - 0.5 * 0.96 ** (step * self.momentum_decay))

    def apply(self, gradients, variables=None):
        step = ops.cast(self.iterations + 1, self.product.dtype)
        self.product.assign(self.product * self.share(step))
        return super().apply(gradients, variables)

    def update_step(self, gradient, variable, learning_rate):
        rate, step = ops.cast(learning_rate, variable.dtype), ops.cast(self.iterations + 1, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype) + self.l2 * variable
        index, product = self._get_variable_index(variable), ops.cast(self.product, variable.dtype)
        mean, square = self._momentums[index], self._velocities[index]
        mean.assign(self.beta_1 * mean + (1 - self.beta_1) * gradient)
        square.assign(self.beta_2 * square + (1 - self.beta_2) * ops.square(gradient))
        scale = ops.sqrt(square / (1 - self.beta_2**step)) + self.epsilon
        after = self.share(step + 1)
        variable.assign_sub(rate * (1 - self.share(step)) / (1 - product) * gradient / scale)
        variable.assign_sub(rate * after / (1 - product * after) * mean / scale)
''',
    "RAdam": '''
class RAdam(keras.optimizers.Adam):
    """Adam whose first steps are not scaled, until the variance of its scale is known, as PyTorch has it."""

    def __init__(self, learning_rate=1e-3, betas=(0.9, 0.999), epsilon=1e-8, l2=0.0):
        super().__init__(learning_rate, betas[0], betas[1], epsilon)
        self.l2 = l2

    def update_step(self, gradient, variable, learning_rate):
        rate, step = ops.cast(learning_rate, variable.dtype), ops.cast(self.iterations + 1, "float64")
        gradient = ops.cast(gradient, variable.dtype) + self.l2 * variable
        index = self._get_variable_index(variable)
        mean, square = self._momentums[index], self._velocities[index]
        mean.assign(self.beta_1 * mean + (1 - self.beta_1) * gradient)
        square.assign(self.beta_2 * square + (1 - self.beta_2) * ops.square(gradient))
        most, left = 2 / (1 - self.beta_2) - 1, 1 - self.beta_2**step
        length = most - 2 * step * (1 - left) / left
        part = ops.maximum((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length), 0.0)
        factor, moment = ops.sqrt(part * left), rate * mean / ops.cast(1 - self.beta_1**step, variable.dtype)
        scaled = moment * ops.cast(factor, variable.dtype) / (ops.sqrt(square) + self.epsilon)
        variable.assign_sub(ops.where(length > 5, scaled, moment))
''',
    "Adamax": '''
class Adamax(keras.optimizers.Adamax):
    """Adamax as PyTorch has it: epsilon is added before the largest is taken; `l2` adds to the gradients."""

    def __init__(self, learning_rate=2e-3, betas=(0.9, 0.999), epsilon=1e-8, l2=0.0):
        super().__init__(learning_rate, betas[0], betas[1], epsilon)
        self.l2 = l2

    def update_step(self, gradient, variable, learning_rate):
        rate, step = ops.cast(learning_rate, variable.dtype), ops.cast(self.iterations + 1, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype) + self.l2 * variable
        index = self._get_variable_index(variable)
        mean, largest = self._m[index], self._u[index]
        mean.assign(self.beta_1 * mean + (1 - self.beta_1) * gradient)
        largest.assign(ops.maximum(self.beta_2 * largest, ops.abs(gradient) + self.epsilon))
        variable.assign_sub(rate / (1 - self.beta_1**step) * mean / largest)
''',
    "Adadelta": '''
class Adadelta(keras.optimizers.Adadelta):
    """Adadelta with PyTorch's defaults; `l2` adds to the gradients."""

    def __init__(self, learning_rate=1.0, rho=0.9, epsilon=1e-6, l2=0.0):
        super().__init__(learning_rate, rho, epsilon)
        self.l2 = l2

    def update_step(self, gradient, variable, learning_rate):
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype) + self.l2 * variable
        index = self._get_variable_index(variable)
        square, change = self._accumulated_grads[index], self._accumulated_delta_vars[index]
        square.assign(self.rho * square + (1 - self.rho) * ops.square(gradient))
        step = ops.sqrt(change + self.epsilon) / ops.sqrt(square + self.epsilon) * gradient
        change.assign(self.rho * change + (1 - self.rho) * ops.square(step))
        variable.assign_sub(rate * step)
''',
    "RMSprop": '''
class RMSprop(keras.optimizers.RMSprop):
    """RMSprop as PyTorch has it: epsilon outside of the root; `l2` adds to the gradients."""

    def __init__(self, learning_rate=1e-2, alpha=0.99, epsilon=1e-8, l2=0.0, momentum=0.0, centered=False):
        super().__init__(learning_rate, alpha, momentum, epsilon, centered)
        self.l2 = l2

    def update_step(self, gradient, variable, learning_rate):
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype) + self.l2 * variable
        index = self._get_variable_index(variable)
        square = self._velocities[index]
        square.assign(self.rho * square + (1 - self.rho) * ops.square(gradient))
        spread = square
        if self.centered:
            mean = self._average_gradients[index]
            mean.assign(self.rho * mean + (1 - self.rho) * gradient)
            spread = square - ops.square(mean)
        step = gradient / (ops.sqrt(spread) + self.epsilon)
        if self.momentum:
            held = self._momentums[index]
            held.assign(self.momentum * held + step)
            step = held
        variable.assign_sub(rate * step)
''',
    "Adagrad": '''
class Adagrad(keras.optimizers.Adagrad):
    """Adagrad as PyTorch has it: sums start at zero, epsilon outside of the root; `l2` adds to the gradients."""

    def __init__(self, learning_rate=1e-2, lr_decay=0.0, l2=0.0, start=0.0, epsilon=1e-10):
        super().__init__(learning_rate, initial_accumulator_value=start, epsilon=epsilon)
        self.lr_decay, self.l2 = lr_decay, l2

    def update_step(self, gradient, variable, learning_rate):
        step = ops.cast(self.iterations, variable.dtype)
        rate = ops.cast(learning_rate, variable.dtype) / (1 + step * self.lr_decay)
        gradient = ops.cast(gradient, variable.dtype) + self.l2 * variable
        square = self._accumulators[self._get_variable_index(variable)]
        square.assign_add(ops.square(gradient))
        variable.assign_sub(rate * gradient / (ops.sqrt(square) + self.epsilon))
''',
    "Groups": '''
class Groups:
    """Several optimisers as one, each for weights of its own: `Groups((function that gives weights, optimizer), ...)`."""

    def __init__(self, *groups):
        self.groups, self.optimizers = groups, [optimizer for _, optimizer in groups]

    def apply_gradients(self, pairs):
        owners = {id(one): number for number, (weights, _) in enumerate(self.groups) for one in weights()}
        shares = [[] for _ in self.optimizers]
        for gradient, variable in pairs:
            if id(variable) in owners:
                shares[owners[id(variable)]].append((gradient, variable))
        for optimizer, share in zip(self.optimizers, shares):
            optimizer.apply_gradients(share)

    @property
    def variables(self):
        return [one for optimizer in self.optimizers for one in optimizer.variables]

    @property
    def learning_rate(self):
        return self.optimizers[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, rate):
        for one in self.optimizers:
            one.learning_rate = rate
''',
    "Schedule": '''
class Schedule:
    """Sets the learning rate of an optimiser at each `step()`, by a rule of the first rate and the count."""

    def __init__(self, optimizer, rule):
        self.optimizers = getattr(optimizer, "optimizers", [optimizer])
        self.optimizer, self.rule, self.epoch = self.optimizers[0], rule, -1
        for one in self.optimizers:
            one.first_rate = getattr(one, "first_rate", float(one.learning_rate))
        self.step()

    def step(self):
        self.epoch += 1
        for one in self.optimizers:
            one.learning_rate = self.rule(one.first_rate, self.epoch)

    def state_dict(self):
        return {"epoch": self.epoch}

    def load_state_dict(self, state):
        self.epoch = state["epoch"]
''',
    "warm_restarts": '''
def warm_restarts(length, factor=1, least=0.0):
    """A rule of cosines that start anew after `length` epochs, each time `factor` as long."""

    def rule(base, epoch):
        size = length
        while epoch >= size:
            epoch, size = epoch - size, size * factor
        return least + (base - least) * (1 + math.cos(math.pi * epoch / size)) / 2

    return rule
''',
    "in_turn": '''
def in_turn(schedules, milestones):
    """The rules of several schedules, one after the other."""

    def rule(base, epoch):
        number = sum(epoch >= one for one in milestones)
        return schedules[number].rule(base, epoch - [0, *milestones][number])

    return rule
''',
    "OneCycle": '''
class OneCycle:
    """The learning rate up to a peak and down to almost nothing, the momentum the other way, at each `step()`."""

    def __init__(
        self, optimizer, max_lr, total_steps=None, epochs=None, steps_per_epoch=None, pct_start=0.3,
        anneal_strategy="cos", cycle_momentum=True, base_momentum=0.85, max_momentum=0.95, div_factor=25.0,
        final_div_factor=1e4,
    ):  # fmt: skip
        self.optimizer, self.count, self.total = optimizer, -1, total_steps or epochs * steps_per_epoch
        self.turns = (0.0, pct_start * self.total - 1, self.total - 1.0)
        self.rates = (max_lr / div_factor, max_lr, max_lr / div_factor / final_div_factor)
        self.momenta = (max_momentum, base_momentum, max_momentum) if cycle_momentum else None
        self.linear = anneal_strategy == "linear"
        self.step()

    def between(self, values):
        half = 0 if self.count <= self.turns[1] else 1
        share = (self.count - self.turns[half]) / (self.turns[half + 1] - self.turns[half])
        share = share if self.linear else (1 - math.cos(math.pi * share)) / 2
        return values[half] + (values[half + 1] - values[half]) * share

    def step(self):
        self.count += 1
        self.optimizer.learning_rate = self.between(self.rates)
        if self.momenta:
            name = "beta_1" if hasattr(self.optimizer, "beta_1") else "momentum"
            setattr(self.optimizer, name, self.between(self.momenta))
''',
    "ReduceOnPlateau": '''
class ReduceOnPlateau:
    """Lowers the learning rate when a number that is given to `step` no longer gets better."""

    def __init__(
        self, optimizer, mode="min", factor=0.1, patience=10, threshold=1e-4, threshold_mode="rel", cooldown=0,
        min_rate=0.0,
    ):  # fmt: skip
        self.optimizer, self.sign, self.factor, self.patience = optimizer, 1 if mode == "min" else -1, factor, patience
        self.threshold, self.relative, self.cooldown = threshold, threshold_mode == "rel", cooldown
        self.min_rate, self.best, self.bad, self.rest = min_rate, float("inf"), 0, 0

    def step(self, value):
        value = self.sign * float(value)
        margin = self.threshold * (abs(self.best) if self.relative else 1.0)
        if self.best == float("inf") or value < self.best - margin:
            self.best, self.bad = value, 0
        else:
            self.bad += 1
        if self.rest:
            self.rest, self.bad = self.rest - 1, 0
        if self.bad > self.patience:
            rate = float(self.optimizer.learning_rate)
            self.optimizer.learning_rate = max(rate * self.factor, self.min_rate)
            self.rest, self.bad = self.cooldown, 0

    def get_last_lr(self):
        return [float(self.optimizer.learning_rate)]

    def state_dict(self):
        return {"best": self.best, "bad": self.bad, "rest": self.rest}

    def load_state_dict(self, state):
        self.best, self.bad, self.rest = state["best"], state["bad"], state["rest"]
''',
}
