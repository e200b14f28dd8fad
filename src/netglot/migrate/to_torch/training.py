"""`compile`, `fit`, `evaluate`, `predict`, optimisers, losses, metrics, callbacks and data of Keras in PyTorch."""

from __future__ import annotations

from netglot.migrate.declare import MISSING, Table

table = Table()
declare, rule, mark = table.declare, table.rule, table.mark

_O = "keras.optimizers."
_CLIP = "clipnorm=None, clipvalue=None, global_clipnorm=None, weight_decay=None, name=None"
OPTIMIZERS = {
    "Adam": "beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False",
    "AdamW": "weight_decay=0.004, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False",
    "Adamax": "beta_1=0.9, beta_2=0.999, epsilon=1e-7", "Nadam": "beta_1=0.9, beta_2=0.999, epsilon=1e-7",
    "SGD": "momentum=0.0, nesterov=False", "RMSprop": "rho=0.9, momentum=0.0, epsilon=1e-7, centered=False",
    "Adagrad": "initial_accumulator_value=0.1, epsilon=1e-7", "Adadelta": "rho=0.95, epsilon=1e-7",
    "Lion": "beta_1=0.9, beta_2=0.99",
}  # fmt: skip


def _passed(signature: str) -> str:
    """Holes that pass on the options that are given."""
    names = [one.split("=")[0].strip() for one in signature.split(", ") if one]
    return "".join(f"<, {name}={{{name}}}>" for name in names if name != "name")


for _name, _options in OPTIMIZERS.items():
    _clip = _CLIP.replace("weight_decay=None, ", "") if _name == "AdamW" else _CLIP
    _rate = "0.01" if _name == "SGD" else "0.001"
    _all = f"{_options}, {_clip}"
    declare(
        f"{_O}{_name}(learning_rate={_rate}, {_all})", f"{_name}(<lr={{learning_rate}}>{_passed(_all)})", infers="name"
    )
    declare(f"{_O}{_name}({_all}, *, lr)", f"{_name}(lr={{lr}}{_passed(_all)})", infers="name")
    table.rows[f"{_O}legacy.{_name}"] = table.rows[f"{_O}{_name}"]

_S = "keras.optimizers.schedules."
for _name, _signature in {
    "ExponentialDecay": "initial_learning_rate, decay_steps, decay_rate, staircase=False",
    "InverseTimeDecay": "initial_learning_rate, decay_steps, decay_rate, staircase=False",
    "PolynomialDecay": "initial_learning_rate, decay_steps, end_learning_rate=0.0001, power=1.0, cycle=False",
    "PiecewiseConstantDecay": "boundaries, values",
    "CosineDecay": "initial_learning_rate, decay_steps, alpha=0.0, warmup_target=None, warmup_steps=0",
    "CosineDecayRestarts": "initial_learning_rate, first_decay_steps, t_mul=2.0, m_mul=1.0, alpha=0.0",
}.items():
    _required = ", ".join(f"{{{one}}}" for one in _signature.split(", ") if "=" not in one)
    _optional = ", ".join(one for one in _signature.split(", ") if "=" in one)
    declare(f"{_S}{_name}({_signature}, name=None)", f"{_name}({_required}{_passed(_optional)})", infers="name")

LOSSES = {
    "SparseCategoricalCrossentropy sparse_categorical_crossentropy": "from_logits=False, ignore_class=None",
    "CategoricalCrossentropy categorical_crossentropy": "from_logits=False, label_smoothing=0.0, axis=-1",
    "BinaryCrossentropy binary_crossentropy": "from_logits=False, label_smoothing=0.0, axis=-1",
    "BinaryFocalCrossentropy binary_focal_crossentropy": (
        "apply_class_balancing=False, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0"
    ),
    "MeanSquaredError mean_squared_error": "",
    "MeanAbsoluteError mean_absolute_error": "",
    "MeanAbsolutePercentageError mean_absolute_percentage_error": "",
    "MeanSquaredLogarithmicError mean_squared_logarithmic_error": "",
    "Huber huber": "delta=1.0",
    "LogCosh log_cosh": "",
    "KLDivergence kl_divergence": "",
    "CosineSimilarity cosine_similarity": "axis=-1",
    "Poisson poisson": "",
    "Hinge hinge": "",
    "SquaredHinge squared_hinge": "",
    "CategoricalHinge categorical_hinge": "",
}
for _names, _options in LOSSES.items():
    _class, _function = _names.split()
    _own = f"{_options}, " if _options else ""
    _rest = "reduction='sum_over_batch_size', name=None"
    declare(
        f"keras.losses.{_class}({_own}{_rest})", f"Loss({_function}{_passed(_options)}<, reduction={{reduction}}>)",
        infers="name",
    )  # fmt: skip
    declare(
        f"keras.losses.{_function}|keras.metrics.{_function}(y_true, y_pred{', ' if _options else ''}{_options})",
        f"{_function}({{y_true}}, {{y_pred}}{_passed(_options)})",
    )
SHORT = {
    "mse": "mean_squared_error", "mae": "mean_absolute_error", "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error", "bce": "binary_crossentropy", "kld": "kl_divergence",
    "logcosh": "log_cosh",
}  # fmt: skip
for _short, _long in SHORT.items():
    for _module in ("losses", "metrics"):
        if f"keras.losses.{_long}" in table.rows:
            table.rows[f"keras.{_module}.{_short}"] = table.rows[f"keras.losses.{_long}"]

for _name, _options in {
    "Mean": "", "Sum": "", "SparseCategoricalAccuracy": "", "CategoricalAccuracy": "", "BinaryAccuracy": "threshold=0.5",
    "Accuracy": "", "TopKCategoricalAccuracy": "k=5", "SparseTopKCategoricalAccuracy": "k=5", "RootMeanSquaredError": "",
    "Precision": "thresholds=0.5", "Recall": "thresholds=0.5", "AUC": "num_thresholds=200, from_logits=False",
    "MeanIoU": "num_classes",
}.items():  # fmt: skip
    _signature = {
        "BinaryAccuracy": "name=None, dtype=None, threshold=0.5", "Precision": f"{_options}, *, name=None, dtype=None",
        "Recall": f"{_options}, *, name=None, dtype=None",
        "AUC": "num_thresholds=200, *, from_logits=False, name=None, dtype=None",
    }.get(_name, f"{_options}{', ' if _options else ''}name=None, dtype=None")  # fmt: skip
    declare(
        f"keras.metrics.{_name}({_signature})",
        f"{_name}({_passed(_options)}<, name={{name}}>)".replace("(<, ", "(<"),
        infers="dtype",
    )
for _class, _function in {
    "MeanSquaredError": "mean_squared_error", "MeanAbsoluteError": "mean_absolute_error",
    "BinaryCrossentropy": "binary_crossentropy", "CategoricalCrossentropy": "categorical_crossentropy",
    "SparseCategoricalCrossentropy": "sparse_categorical_crossentropy", "KLDivergence": "kl_divergence",
    "MeanAbsolutePercentageError": "mean_absolute_percentage_error",
    "MeanSquaredLogarithmicError": "mean_squared_logarithmic_error", "Poisson": "poisson", "Hinge": "hinge",
    "LogCoshError": "log_cosh", "SquaredHinge": "squared_hinge", "CategoricalHinge": "categorical_hinge",
}.items():  # fmt: skip
    _options = "from_logits=False" if "entropy" in _class else ""
    declare(
        f"keras.metrics.{_class}(name=None, dtype=None{', ' if _options else ''}{_options})",
        f"Mean({_function}<, name={{name}}>{_passed(_options)})",
        infers="dtype",
    )

declare("keras.metrics.CosineSimilarity(name=None, dtype=None, axis=-1)",
        "Mean(lambda y_true, y_pred: -cosine_similarity(y_true, y_pred)<, name={name}>)", when={"axis": -1}, infers="dtype")  # fmt: skip

CALLBACKS = {
    "EarlyStopping": "monitor='val_loss', min_delta=0, patience=0, verbose=0, mode='auto', baseline=None, "
    "restore_best_weights=False, start_from_epoch=0",
    "ModelCheckpoint": "filepath, monitor='val_loss', verbose=0, save_best_only=False, save_weights_only=False, "
    "mode='auto', save_freq='epoch'",
    "ReduceLROnPlateau": "monitor='val_loss', factor=0.1, patience=10, verbose=0, mode='auto', min_delta=0.0001, "
    "cooldown=0, min_lr=0.0",
    "LearningRateScheduler": "schedule, verbose=0", "CSVLogger": "filename, separator=',', append=False",
    "TensorBoard": "log_dir='logs', histogram_freq=0, write_graph=True, write_images=False, update_freq='epoch'",
    "TerminateOnNaN": "",
    "LambdaCallback": "on_epoch_begin=None, on_epoch_end=None, on_train_begin=None, on_train_end=None, "
    "on_train_batch_begin=None, on_train_batch_end=None",
}  # fmt: skip
for _name, _signature in CALLBACKS.items():
    _required = "".join(f", {{{one}}}" for one in _signature.split(", ") if one and "=" not in one)
    _optional = ", ".join(one for one in _signature.split(", ") if "=" in one)
    declare(f"keras.callbacks.{_name}({_signature})", f"{_name}({_required}{_passed(_optional)})".replace("(, ", "("))
declare("keras.callbacks.Callback()", "Callback()")

# -- data

_D = "tf.data.Dataset."
_DD = "tensorflow.python.data.ops.dataset_ops.DatasetV2."
for _name in ("from_tensor_slices", "from_tensors", "range", "zip"):
    declare(f"{_DD}{_name}|{_D}{_name}(*values)", f"Dataset.{_name}({{values}})")
declare(
    f"{_DD}sample_from_datasets|{_D}sample_from_datasets(datasets, weights=None, seed=None, stop_on_empty_dataset=False)",
    "Dataset.sample_from_datasets({datasets}<, weights={weights}><, stop_on_empty_dataset={stop_on_empty_dataset}>)",
    infers="seed",
)
declare(
    f"{_DD}from_generator|{_D}from_generator(generator, output_types=None, output_shapes=None, args=None, "
    "output_signature=None)",
    "Dataset.from_generator({generator}<, args={args}>)",
    infers="output_types output_shapes output_signature",
)
declare("keras.utils.to_categorical(x, num_classes=None)", "one_hot_rows({x}<, {num_classes}>)")
declare(
    "keras.utils.pad_sequences|keras.preprocessing.sequence.pad_sequences(sequences, maxlen=None, dtype='int32', "
    "padding='pre', truncating='pre', value=0.0)",
    "pad_sequences({sequences}<, maxlen={maxlen}><, dtype={dtype}><, padding={padding}><, truncating={truncating}><, value={value}>)",
)
declare(
    "keras.utils.normalize(x, axis=-1, order=2)", "{x:p} / np.linalg.norm({x}, ord={order}, axis={axis}, keepdims=True)"
)
_IMAGES = (
    "label_mode='int', class_names=None, color_mode='rgb', batch_size=32, image_size=(256, 256), shuffle=True, seed=None, "
    "validation_split=None, subset=None, interpolation='bilinear'"
)
declare(
    f"keras.utils.image_dataset_from_directory|keras.preprocessing.image_dataset_from_directory(directory, labels='inferred', {_IMAGES})",
    "image_folder({directory}" + _passed(_IMAGES.replace("(256, 256)", "256")) + ")", when={"labels": "inferred"},
)  # fmt: skip
_SERIES = (
    "sequence_length, sequence_stride=1, sampling_rate=1, batch_size=128, shuffle=False, seed=None, start_index=None, "
    "end_index=None"
)
declare(
    f"keras.utils.timeseries_dataset_from_array|keras.preprocessing.timeseries_dataset_from_array(data, targets, {_SERIES})",
    "series_windows({data}, {targets}" + _passed(_SERIES) + ")",
)
declare("keras.datasets.mnist.load_data(path=None)", 'torchvision_arrays("MNIST")', infers="path")
declare("keras.datasets.fashion_mnist.load_data()", 'torchvision_arrays("FashionMNIST")')
declare("keras.datasets.cifar10.load_data()", 'torchvision_arrays("CIFAR10")')
declare(
    "keras.datasets.cifar100.load_data(label_mode='fine')",
    'torchvision_arrays("CIFAR100")',
    when={"label_mode": "fine"},
)

DATASET = {
    "shuffle", "batch", "prefetch", "repeat", "take", "map", "cache", "skip", "filter", "window", "flat_map", "unbatch",
    "concatenate", "enumerate", "as_numpy_iterator", "cardinality", "with_options", "interleave",
}  # fmt: skip
"""The methods of `tf.data` that the helper has."""

NAMED = {
    "optimizer": {one.lower(): f"{one}()" for one in OPTIMIZERS},
    "loss": {name.split()[1]: name.split()[1] for name in LOSSES} | SHORT,
    "metrics": {name.split()[1]: name.split()[1] for name in LOSSES}
    | SHORT
    | {
        "accuracy": "Accuracy()", "acc": "Accuracy()", "binary_accuracy": "BinaryAccuracy()",
        "sparse_categorical_accuracy": "SparseCategoricalAccuracy()", "categorical_accuracy": "CategoricalAccuracy()",
        "AUC": "AUC()", "auc": "AUC()", "Precision": "Precision()", "Recall": "Recall()", "precision": "Precision()",
        "recall": "Recall()", "root_mean_squared_error": "RootMeanSquaredError()",
        "RootMeanSquaredError": "RootMeanSquaredError()",
    },
}  # fmt: skip
"""What `compile` takes by name, and what is written for it."""

METHODS = {
    "compile": "prepare", "fit": "fit", "evaluate": "evaluate", "predict": "predict", "train_on_batch": "train_on_batch",
    "test_on_batch": "test_on_batch", "predict_on_batch": "predict", "fit_generator": "fit",
}  # fmt: skip
"""Methods of Keras's models, and the helpers that do as they do."""

KNOWN = {
    "compile": {"optimizer", "loss", "metrics", "loss_weights"},
    "fit": {
        "x", "y", "batch_size", "epochs", "verbose", "callbacks", "validation_data", "validation_split", "shuffle",
        "class_weight", "sample_weight", "initial_epoch", "steps_per_epoch", "validation_steps", "validation_batch_size",
        "validation_freq",
    },
    "evaluate": {"x", "y", "batch_size", "verbose", "sample_weight", "steps", "return_dict", "callbacks"},
    "predict": {"x", "batch_size", "verbose"},
    "train_on_batch": {"x", "y", "sample_weight", "return_dict"}, "test_on_batch": {"x", "y", "return_dict"},
    "predict_on_batch": {"x"},
}  # fmt: skip
"""The options of each that are carried over."""

SILENT = {"workers", "use_multiprocessing", "max_queue_size", "run_eagerly", "jit_compile", "steps_per_execution"}
"""Options of these methods that say nothing about what is computed."""


mark(
    "keras.models.load_model",
    "PyTorch reads weights into a network that is there: `model.load_state_dict(torch.load(path))`",
)


__all__ = ["MISSING"]
