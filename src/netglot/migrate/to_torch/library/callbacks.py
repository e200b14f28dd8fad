"""Keras's callbacks of `fit`."""

import copy
import csv
import os

import torch


class Callbacks:
    """All callbacks of one training, and the network that they look at."""

    def __init__(self, model, callbacks, epochs):
        self.callbacks = (
            [] if callbacks is None else [callbacks] if hasattr(callbacks, "set_model") else list(callbacks)
        )
        for one in self.callbacks:
            one.set_model(model)
            one.params = {"epochs": epochs}

    def tell(self, what, *place):
        """Tells every callback that something begins or ends."""
        for one in self.callbacks:
            told = isinstance(place[-1], dict) if place else False
            place_and_logs = place if told else (*place, {})
            getattr(one, f"on_{what}")(*place_and_logs)


class Callback:
    """What looks at the training of a network; `self.model` is the network."""

    model = None

    def set_model(self, model):
        self.model = model

    def _nothing(self, *given):
        """Nothing happens here unless a subclass says so."""

    on_train_begin = on_train_end = on_epoch_begin = on_epoch_end = on_batch_begin = on_batch_end = _nothing
    on_test_begin = on_test_end = on_test_batch_begin = on_test_batch_end = _nothing

    def on_train_batch_begin(self, batch, logs=None):
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        self.on_batch_end(batch, logs)


class Monitor(Callback):
    """A callback that looks whether a quantity gets better."""

    def __init__(self, monitor="val_loss", mode="auto", min_delta=0.0):
        largest = mode == "max" or (
            mode == "auto" and any(one in monitor for one in ("acc", "auc", "precision", "recall"))
        )
        self.monitor, self.sign, self.min_delta = monitor, -1 if largest else 1, abs(min_delta)
        self.best = None

    def better(self, value):
        return self.best is None or self.sign * (value - self.best) < -self.min_delta


class EarlyStopping(Monitor):
    """Ends the training when a quantity no longer gets better."""

    def __init__(
        self, monitor="val_loss", min_delta=0, patience=0, verbose=0, mode="auto", baseline=None,
        restore_best_weights=False, start_from_epoch=0,
    ):  # fmt: skip
        super().__init__(monitor, mode, min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch

    def on_train_begin(self, logs=None):
        self.best, self.wait, self.stopped_epoch, self.best_weights, self.best_epoch = self.baseline, 0, 0, None, 0

    def on_epoch_end(self, epoch, logs):
        if epoch < self.start_from_epoch or self.monitor not in logs:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights = copy.deepcopy(self.model.state_dict())
        self.wait += 1
        if self.better(logs[self.monitor]):
            self.best, self.wait, self.best_epoch = logs[self.monitor], 0, epoch
            if self.restore_best_weights:
                self.best_weights = copy.deepcopy(self.model.state_dict())
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch, self.model.stop_training = epoch, True

    def on_train_end(self, logs=None):
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            self.model.load_state_dict(self.best_weights)


class ModelCheckpoint(Monitor):
    """Saves the network after epochs, or only when it got better."""

    def __init__(
        self, filepath, monitor="val_loss", verbose=0, save_best_only=False, save_weights_only=False, mode="auto",
        save_freq="epoch",
    ):  # fmt: skip
        super().__init__(monitor, mode)
        self.filepath, self.verbose, self.save_best_only = str(filepath), verbose, save_best_only
        self.save_weights_only = save_weights_only

    def on_epoch_end(self, epoch, logs):
        if self.save_best_only:
            if self.monitor not in logs or not self.better(logs[self.monitor]):
                return
            self.best = logs[self.monitor]
        path = self.filepath.format(epoch=epoch + 1, **logs)
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        torch.save(self.model.state_dict(), path)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saving model to {path}")


class ReduceLROnPlateau(Monitor):
    """Lowers the learning rate when a quantity no longer gets better."""

    def __init__(
        self,
        monitor="val_loss",
        factor=0.1,
        patience=10,
        verbose=0,
        mode="auto",
        min_delta=1e-4,
        cooldown=0,
        min_lr=0.0,
    ):
        super().__init__(monitor, mode, min_delta)
        self.factor, self.patience, self.verbose, self.cooldown, self.min_lr = (
            factor,
            patience,
            verbose,
            cooldown,
            min_lr,
        )

    def on_train_begin(self, logs=None):
        self.best, self.wait, self.resting = None, 0, 0

    def on_epoch_end(self, epoch, logs):
        rate = float(self.model.optimizer.learning_rate)
        logs["learning_rate"] = rate
        if self.monitor not in logs:
            return
        if self.resting > 0:
            self.resting, self.wait = self.resting - 1, 0
        if self.better(logs[self.monitor]):
            self.best, self.wait = logs[self.monitor], 0
        elif self.resting <= 0:
            self.wait += 1
            if self.wait >= self.patience and rate > self.min_lr:
                self.model.optimizer.learning_rate = max(rate * self.factor, self.min_lr)
                self.resting, self.wait = self.cooldown, 0
                if self.verbose:
                    print(f"Epoch {epoch + 1}: reducing learning rate to {float(self.model.optimizer.learning_rate)}")


class LearningRateScheduler(Callback):
    """The learning rate of each epoch by a function of the epoch, and of the rate before where it takes that too."""

    def __init__(self, schedule, verbose=0):
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch, logs=None):
        rate = float(self.model.optimizer.learning_rate)
        try:
            rate = self.schedule(epoch, rate)
        except TypeError:
            rate = self.schedule(epoch)
        self.model.optimizer.learning_rate = rate
        if self.verbose:
            print(f"Epoch {epoch + 1}: setting learning rate to {float(rate)}")

    def on_epoch_end(self, epoch, logs):
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class CSVLogger(Callback):
    """Writes a row for each epoch into a file."""

    def __init__(self, filename, separator=",", append=False):
        self.filename, self.separator, self.append = filename, separator, append

    def on_epoch_end(self, epoch, logs):
        fresh = epoch == 0 and not self.append
        with open(self.filename, "w" if fresh else "a", newline="") as file:
            writer = csv.writer(file, delimiter=self.separator)
            if fresh:
                writer.writerow(["epoch", *logs])
            writer.writerow([epoch, *logs.values()])


class TensorBoard(Callback):
    """Writes the losses and metrics of each epoch for TensorBoard."""

    def __init__(self, log_dir="logs", histogram_freq=0, write_graph=True, write_images=False, update_freq="epoch"):
        self.log_dir = log_dir

    def on_epoch_end(self, epoch, logs):
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter(str(self.log_dir)) as writer:
            for name, value in logs.items():
                writer.add_scalar(name, value, epoch)


class TerminateOnNaN(Callback):
    """Ends the training when the loss is no number."""

    def on_epoch_end(self, epoch, logs):
        if not torch.isfinite(torch.tensor(logs.get("loss", 0.0))):
            self.model.stop_training = True


class LambdaCallback(Callback):
    """Functions for what begins and ends."""

    def __init__(self, **functions):
        for name, function in functions.items():
            setattr(self, name, function)
