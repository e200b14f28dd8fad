"""Pipelines of Core ML: several models, each given what those before it made, as one neural network."""

from __future__ import annotations

from collections.abc import Callable

from netglot.errors import InputError, Refusal, never, notimpl
from netglot.formats.record import Record

PIPELINES = ("pipeline", "pipelineClassifier", "pipelineRegressor")
_NETWORKS = ("network", "classifier", "regressor")
_TITLES = {
    "program": "an ML Program", "glmRegressor": "a generalised linear model",
    "glmClassifier": "a generalised linear model",
    "supportVectorRegressor": "a support vector machine", "supportVectorClassifier": "a support vector machine",
    "treeEnsembleRegressor": "an ensemble of trees", "treeEnsembleClassifier": "an ensemble of trees",
    "nearestNeighbors": "nearest neighbours", "recommender": "a recommender", "customModel": "a model of one's own",
    "linkedModel": "a model in another file", "oneHotEncoder": "a one-hot encoder", "imputer": "an imputer",
    "featureVectorizer": "a vectoriser of features", "dictVectorizer": "a vectoriser of dictionaries",
    "scaler": "a scaler", "categoricalMapping": "a table of categories", "normalizer": "a normaliser",
    "arrayFeatureExtractor": "a choice of features", "suppression": "a suppression of overlapping boxes",
    "featurePrint": "Apple's own feature print",
}  # fmt: skip
_OUTSIDE = ("linkedModel", "customModel", "featurePrint")
"""Models whose weights are not in the file."""


def network_of(model: Record) -> str | None:
    """The field of a model that holds a neural network."""
    return next((name for name in _NETWORKS if name in model), None)


def joined(model: Record) -> tuple[Record, list[str]]:
    """The neural networks of a pipeline as one, with the description of the pipeline; and what is to be told.

    Raises:
        InputError: the pipeline is empty.
        Refusal: a stage is no neural network.
    """
    kind = next(name for name in PIPELINES if name in model)
    held = model.record(kind)
    stages = (held if kind == "pipeline" else held.record("pipeline")).records("models")
    names = [str(one) for one in (held if kind == "pipeline" else held.record("pipeline")).all("names")]
    stages, outputs, notes = _without_suppression(stages)
    stages = [one for one in stages if "identity" not in one]
    if not stages:
        raise InputError("a pipeline without a neural network")
    for place, stage in enumerate(stages):
        _assert_network(stage, names[place] if place < len(names) else f"number {place + 1}", place)
    if len(stages) == 1:
        made = stages[0]
    else:
        made = _one(stages, [str(one.get("name")) for one in model.record("description").records("input")])
    if outputs:
        made.record("description").fields["output"] = [Record("Feature", {"name": [name]}) for name in outputs]
    return made, notes


def _without_suppression(stages: list[Record]) -> tuple[list[Record], list[str], list[str]]:
    """The stages before the choice among boxes, what that is given, and what is to be told of it."""
    if not stages or "suppression" not in stages[-1]:
        return stages, [], []
    told = stages[-1].record("suppression")
    numbers = f"overlap {told.get('iouThreshold', 0.0):g}, confidence {told.get('confidenceThreshold', 0.0):g}"
    outputs = [told.text("confidenceInputFeatureName"), told.text("coordinatesInputFeatureName")]
    return stages[:-1], outputs, [f"the suppression of overlapping boxes is left to the caller ({numbers})"]


def _assert_network(stage: Record, name: str, place: int) -> None:
    if network_of(stage) is not None:
        return
    kind = next((one for one in _TITLES if one in stage), "")
    what = f"a pipeline whose stage {name} is {_TITLES.get(kind, 'no neural network')}"
    if kind in _OUTSIDE:
        raise Refusal(never(f"{what}, whose weights are not in the file", "convert the network that it was made of"))
    advice = "take the network out: coremltools.models.MLModel(FILE).get_spec().pipeline.models"
    raise Refusal(notimpl(what, advice))


def _one(stages: list[Record], given: list[str]) -> Record:
    """Several networks as one, the tensors of each under names of their own."""
    current = {name: name for name in given}
    layers: list[Record] = []
    preprocessing: list[Record] = []
    last: Record = stages[-1]
    inputs: list[Record] = []
    label, last_label = "", ""
    exact = {stage.record(network_of(stage) or "").integer("arrayMapping", 0) == 1 for stage in stages}
    if len(exact) != 1:
        raise Refusal(notimpl("a pipeline of networks of which only some have arrays of exact shapes"))
    for place, stage in enumerate(stages):
        network = stage.record(network_of(stage) or "")
        features = stage.record("description")
        own = {one.text("name"): current.get(one.text("name")) for one in features.records("input")}
        preprocessing += network.records("preprocessing") if not place else _inner(network)
        for one in features.records("input"):
            if own[one.text("name")] is None:
                raise InputError(f"a stage of the pipeline is given {one.text('name')!r}, which no stage makes")
            if own[one.text("name")] == one.text("name") and one.text("name") not in [i.text("name") for i in inputs]:
                inputs.append(one)

        def renamed(name: str, own: dict = own, place: int = place) -> str:
            return str(own[name]) if name in own else f"stage{place}/{name}"

        layers += [_renamed(layer, renamed) for layer in network.records("layers")]
        current |= {one.text("name"): renamed(one.text("name")) for one in features.records("output")}
        label = network.text("labelProbabilityLayerName")
        last_label = renamed(label)
    kind = network_of(last) or "network"
    fields = dict(last.record(kind).fields) | {"layers": layers, "preprocessing": preprocessing}
    if label:
        fields["labelProbabilityLayerName"] = [last_label]
    outputs = [current[one.text("name")] for one in last.record("description").records("output")]
    named = [Record("Feature", {"name": [name]}) for name in outputs]
    description = Record("Description", {"input": list(inputs), "output": list(named)})
    return Record("Model", {"description": [description], kind: [Record("Network", fields)]})


def _inner(network: Record) -> list[Record]:
    if network.records("preprocessing"):
        raise Refusal(notimpl("a pipeline that changes pictures between two networks"))
    return []


def _renamed(layer: Record, renamed: Callable[[str], str]) -> Record:
    """A layer with other names for its tensors and itself."""
    fields = dict(layer.fields)
    for field in ("name", "input", "output"):
        if field in fields:
            fields[field] = [renamed(str(one)) for one in fields[field]]
    return Record(layer.kind, fields)
