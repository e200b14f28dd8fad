"""Learning rates as functions of the step, as Keras has them."""

import math


def ExponentialDecay(initial_learning_rate, decay_steps, decay_rate, staircase=False):
    """A rate that shrinks by a factor every so many steps, all the time or at once."""
    power = (lambda step: step // decay_steps) if staircase else (lambda step: step / decay_steps)
    return lambda step: initial_learning_rate * decay_rate ** power(step)


def InverseTimeDecay(initial_learning_rate, decay_steps, decay_rate, staircase=False):
    """A rate that shrinks as one over the time."""
    power = (lambda step: step // decay_steps) if staircase else (lambda step: step / decay_steps)
    return lambda step: initial_learning_rate / (1 + decay_rate * power(step))


def PolynomialDecay(initial_learning_rate, decay_steps, end_learning_rate=0.0001, power=1.0, cycle=False):
    """A rate that goes to its end along a power of the time."""

    def rate(step):
        whole = decay_steps * (max(math.ceil(step / decay_steps), 1) if cycle else 1)
        left = 1 - min(step, whole) / whole
        return (initial_learning_rate - end_learning_rate) * left**power + end_learning_rate

    return rate


def PiecewiseConstantDecay(boundaries, values):
    """A rate for each stretch of steps, each boundary still in the stretch before it."""
    return lambda step: values[sum(step > one for one in boundaries)]


def CosineDecay(initial_learning_rate, decay_steps, alpha=0.0, warmup_target=None, warmup_steps=0):
    """A rate that falls along half a cosine, perhaps after a linear rise."""

    def rate(step):
        first = initial_learning_rate
        if warmup_target is not None:
            if step < warmup_steps:
                return first + (warmup_target - first) * step / warmup_steps
            first, step = warmup_target, step - warmup_steps
        share = 0.5 * (1 + math.cos(math.pi * min(step, decay_steps) / decay_steps))
        return first * ((1 - alpha) * share + alpha)

    return rate


def CosineDecayRestarts(initial_learning_rate, first_decay_steps, t_mul=2.0, m_mul=1.0, alpha=0.0):
    """A rate that falls along half a cosine again and again."""

    def rate(step):
        done, round_ = step / first_decay_steps, 0
        if t_mul == 1.0:
            round_, done = int(done), done - int(done)
        else:
            round_ = math.floor(math.log(1 - done * (1 - t_mul)) / math.log(t_mul))
            done = (done - (1 - t_mul**round_) / (1 - t_mul)) / t_mul**round_
        share = 0.5 * m_mul**round_ * (1 + math.cos(math.pi * done))
        return initial_learning_rate * ((1 - alpha) * share + alpha)

    return rate


class LearningRateSchedule:
    """A learning rate as a function of the step."""
