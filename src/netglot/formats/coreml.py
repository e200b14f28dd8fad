"""Core ML's files: a specification as protocol buffers (`.mlmodel`), of which the neural networks are read.

The table below states the fields that are used, numbered as in Apple's schema.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from netglot.errors import InputError, Refusal, notimpl
from netglot.formats import wire
from netglot.formats.coreml_stages import PIPELINES, joined, network_of
from netglot.formats.mapped import mapped
from netglot.formats.record import Record
from netglot.pivot.dims import product

SCHEMA = wire.schema("""
Model
  1 version int32  2 description Description  303 regressor Network  403 classifier Network  500 network Network
  502 program Empty  200 pipelineClassifier Pipelined  201 pipelineRegressor Pipelined  202 pipeline Pipeline
  300 glmRegressor Empty  301 supportVectorRegressor Empty  302 treeEnsembleRegressor Empty  400 glmClassifier Empty
  401 supportVectorClassifier Empty  402 treeEnsembleClassifier Empty  404 nearestNeighbors Empty
  501 recommender Empty  555 customModel Empty  556 linkedModel Empty  600 oneHotEncoder Empty  601 imputer Empty
  602 featureVectorizer Empty  603 dictVectorizer Empty  604 scaler Empty  606 categoricalMapping Empty
  607 normalizer Empty  609 arrayFeatureExtractor Empty  610 suppression Suppression  900 identity Empty
  2002 featurePrint Empty
Empty
Pipelined
  1 pipeline Pipeline
Pipeline
  1 models Model*  2 names string*
Suppression
  110 iouThreshold double  111 confidenceThreshold double  200 confidenceInputFeatureName string
  201 coordinatesInputFeatureName string
Description
  1 input Feature*  10 output Feature*
Feature
  1 name string  3 type FeatureType
FeatureType
  1 int64Type Empty  2 doubleType Empty  3 stringType Empty  4 imageType ImageType  5 multiArrayType ArrayType
  6 dictionaryType Empty
ImageType
  1 width int64  2 height int64  3 colorSpace enum
ArrayType
  1 shape int64*  2 dataType enum
Network
  1 layers Layer*  2 preprocessing Preprocessing*  5 arrayMapping enum  6 imageMapping enum
  200 labelProbabilityLayerName string
Preprocessing
  1 featureName string  10 scaler Scaler  11 meanImage MeanImage
Scaler
  10 channelScale float  20 blueBias float  21 greenBias float  22 redBias float  30 grayBias float
MeanImage
  1 meanImage float*
Layer
  1 name string  2 input string*  3 output string*  100 convolution Convolution  120 pooling Pooling
  130 activation Activation  140 innerProduct InnerProduct  150 embedding InnerProduct  160 batchnorm Batchnorm
  165 mvn Mvn  170 l2normalize Epsilon  175 softmax Empty  180 lrn Lrn  190 crop Crop  200 padding Padding
  210 upsample Upsample  220 unary Unary  230 add Alpha  231 multiply Alpha  240 average Empty  245 scale Scale
  250 bias Bias  260 max Empty  261 min Empty  270 dot Empty  280 reduce Reduce  290 loadConstant Constant
  300 reshape Reshape  301 flatten Mode  310 permute Permute  320 concat Concat  330 split Split
  345 reorganizeData Reorganize  350 slice Slice  400 simpleRecurrent Recurrent  410 gru Gru
  420 uniDirectionalLSTM Lstm  430 biDirectionalLSTM Lstm  500 custom Custom  600 copy Empty  605 branch Empty
  615 loop Empty  660 clip Clip  665 ceil Empty  670 floor Empty  680 sign Empty  685 round Empty  700 exp2 Empty
  710 sin Empty  715 cos Empty  720 tan Empty  730 asin Empty  735 acos Empty  740 atan Empty  750 sinh Empty
  755 cosh Empty  760 tanh Empty  770 asinh Empty  775 acosh Empty  780 atanh Empty  790 erf Empty  795 gelu Mode
  815 equal Alpha  820 notEqual Alpha  825 lessThan Beside  827 lessEqual Beside  830 greaterThan Beside
  832 greaterEqual Beside  840 logicalOr Empty  845 logicalXor Empty  850 logicalNot Empty  855 logicalAnd Empty
  865 modBroadcastable Empty  870 minBroadcastable Empty  875 maxBroadcastable Empty  880 addBroadcastable Empty
  885 powBroadcastable Empty  890 divideBroadcastable Empty  895 floorDivBroadcastable Empty
  900 multiplyBroadcastable Empty  905 subtractBroadcastable Empty  920 tile Tile  925 stack Axis  930 gather Axis
  950 softmaxND Axis  952 gatherAlongAxis Axis  960 reverse Reverse  975 splitND SplitND  980 concatND ConcatND
  985 transpose Axes  995 sliceStatic SliceStatic  1015 topK TopK  1020 argMin ArgMax  1025 argMax ArgMax
  1040 embeddingND EmbeddingND  1045 batchedMatmul Matmul  1070 loadConstantND Constant  1080 fillLike PadValue
  1085 fillStatic Fill  1100 broadcastToLike Empty  1105 broadcastToStatic Target  1120 squeeze Squeeze
  1125 expandDims SignedAxes  1130 flattenTo2D Axis  1135 reshapeLike Empty  1140 reshapeStatic SignedTarget
  1150 rankPreservingReshape SignedTarget  1155 constantPad ConstantPad  1250 reduceL1 Reduced  1255 reduceL2 Reduced
  1260 reduceMax Reduced  1265 reduceMin Reduced  1270 reduceSum Reduced  1275 reduceProd Reduced
  1280 reduceMean Reduced  1285 reduceLogSum Reduced  1290 reduceSumSquare Reduced  1295 reduceLogSumExp Reduced
  1320 lowerTriangular Diagonal  1325 upperTriangular Diagonal  1330 whereBroadcastable Empty
  1350 layerNormalization LayerNorm  1450 oneHot OneHot  1455 cumSum CumSum  1460 clampedReLU Pair
Custom
  10 className string
Weights
  1 floatValue float*  2 float16Value bytes  30 rawValue bytes  31 int8RawValue bytes  40 quantization Quantization
Quantization
  1 numberOfBits uint64  101 linear Linear  102 table LookUp
Linear
  1 scale float*  2 bias float*
LookUp
  1 floatValue float*
Convolution
  1 outputChannels uint64  2 kernelChannels uint64  10 nGroups uint64  20 kernelSize uint64*  30 stride uint64*
  40 dilationFactor uint64*  50 valid Valid  51 same Same  60 isDeconvolution bool  70 hasBias bool  90 weights Weights
  91 bias Weights  100 outputShape uint64*
Valid
  1 paddingAmounts Borders
Same
  1 asymmetryMode enum
Borders
  10 borderAmounts Edge*
Edge
  1 startEdgeSize uint64  2 endEdgeSize uint64
Complete
  10 paddingAmounts uint64*
Pooling
  1 type enum  10 kernelSize uint64*  20 stride uint64*  30 valid Valid  31 same Same  32 includeLastPixel Complete
  50 avgPoolExcludePadding bool  60 globalPooling bool
InnerProduct
  1 inputChannels uint64  2 outputChannels uint64  10 hasBias bool  20 weights Weights  21 bias Weights
Batchnorm
  1 channels uint64  5 computeMeanVar bool  6 instanceNormalization bool  10 epsilon float  15 gamma Weights
  16 beta Weights  17 mean Weights  18 variance Weights
Activation
  5 linear Pair  10 ReLU Empty  15 leakyReLU Alpha  20 thresholdedReLU Alpha  25 PReLU Slopes  30 tanh Empty
  31 scaledTanh Pair  40 sigmoid Empty  41 sigmoidHard Pair  50 ELU Alpha  60 softsign Empty  70 softplus Empty
Pair
  1 alpha float  2 beta float
Alpha
  1 alpha float
Slopes
  1 alpha Weights
Epsilon
  1 epsilon float
Mvn
  1 acrossChannels bool  2 normalizeVariance bool  3 epsilon float
Lrn
  1 alpha float  2 beta float  3 localSize uint64  4 k float
Crop
  1 cropAmounts Borders  5 offset uint64*
Padding
  1 constant PadValue  2 reflection Empty  3 replication Empty  10 paddingAmounts Borders
PadValue
  1 value float
Upsample
  1 scalingFactor uint64*  5 mode enum  6 linearUpsampleMode enum  7 fractional float*
Unary
  1 type enum  2 alpha float  3 epsilon float  4 shift float  5 scale float
Scale
  1 shapeScale uint64*  2 scale Weights  3 hasBias bool  4 shapeBias uint64*  5 bias Weights
Bias
  1 shape uint64*  2 bias Weights
Reduce
  1 mode enum  2 epsilon float  3 axis enum
Constant
  1 shape uint64*  2 data Weights
Reshape
  1 targetShape int64*  2 mode enum
Mode
  1 mode enum
Permute
  1 axis uint64*
Concat
  100 sequenceConcat bool
Split
  1 nOutputs uint64
Reorganize
  1 mode enum  2 blockSize uint64
Slice
  1 startIndex int64  2 endIndex int64  3 stride uint64  4 axis enum
Clip
  1 minVal float  2 maxVal float
Recurrent
  1 inputVectorSize uint64  2 outputVectorSize uint64  10 activation Activation  15 sequenceOutput bool
  20 hasBiasVector bool  30 weightMatrix Weights  31 recursionMatrix Weights  32 biasVector Weights
  100 reverseInput bool
Gru
  1 inputVectorSize uint64  2 outputVectorSize uint64  10 activations Activation*  15 sequenceOutput bool
  20 hasBiasVectors bool  30 updateGateWeightMatrix Weights  31 resetGateWeightMatrix Weights
  32 outputGateWeightMatrix Weights  50 updateGateRecursionMatrix Weights  51 resetGateRecursionMatrix Weights
  52 outputGateRecursionMatrix Weights  70 updateGateBiasVector Weights  71 resetGateBiasVector Weights
  72 outputGateBiasVector Weights  100 reverseInput bool
Lstm
  1 inputVectorSize uint64  2 outputVectorSize uint64  10 activations Activation*  15 params LstmOptions
  11 activationsBackwardLSTM Activation*  20 weightParams LstmWeights*  100 reverseInput bool
LstmOptions
  10 sequenceOutput bool  20 hasBiasVectors bool  30 forgetBias bool  40 hasPeepholeVectors bool
  50 coupledInputAndForgetGate bool  60 cellClipThreshold float
LstmWeights
  1 inputGateWeightMatrix Weights  2 forgetGateWeightMatrix Weights  3 blockInputWeightMatrix Weights
  4 outputGateWeightMatrix Weights  20 inputGateRecursionMatrix Weights  21 forgetGateRecursionMatrix Weights
  22 blockInputRecursionMatrix Weights  23 outputGateRecursionMatrix Weights  40 inputGateBiasVector Weights
  41 forgetGateBiasVector Weights  42 blockInputBiasVector Weights  43 outputGateBiasVector Weights
Beside
  2 alpha float
Tile
  1 reps uint64*
Axis
  1 axis int64
Axes
  1 axes uint64*
SignedAxes
  1 axes int64*
Reverse
  1 reverseDim bool*
SplitND
  1 axis int64  2 numSplits uint64  3 splitSizes uint64*
ConcatND
  1 axis int64  2 interleave bool
SliceStatic
  1 beginIds int64*  2 beginMasks bool*  3 endIds int64*  4 endMasks bool*  5 strides int64*  6 squeezeMasks bool*
TopK
  1 axis int64  2 K uint64  3 useBottomK bool
ArgMax
  1 axis int64  2 removeDim bool
EmbeddingND
  1 vocabSize uint64  2 embeddingSize uint64  3 hasBias bool  20 weights Weights  21 bias Weights
Matmul
  1 transposeA bool  2 transposeB bool  5 weightMatrixFirstDimension uint64  6 weightMatrixSecondDimension uint64
  7 hasBias bool  8 weights Weights  9 bias Weights  10 int8DynamicQuantize bool
Fill
  1 value float  2 targetShape uint64*
Target
  1 targetShape uint64*
SignedTarget
  1 targetShape int64*
Squeeze
  1 axes int64*  2 squeezeAll bool
ConstantPad
  1 value float  2 padAmounts uint64*  3 padToGivenOutputSizeMode bool
Reduced
  1 axes int64*  2 keepDims bool  3 reduceAll bool
Diagonal
  1 k int64
LayerNorm
  1 normalizedShape int64*  2 eps float  3 gamma Weights  4 beta Weights
OneHot
  1 oneHotVectorSize uint64  2 axis int64  3 onValue float  4 offValue float
CumSum
  1 axis int64  2 excludeFinalSum bool  3 reverse bool
""")


COLOURS = {10: "gray", 20: "red, green, blue", 30: "blue, green, red"}
"""The colours of a picture, by their number."""
_WHOLE = 131104
"""The number of arrays of whole numbers."""


@dataclass
class Feature:
    """One input or output: its shape without the batch where the file says one, and its colours if it is a picture."""

    name: str
    shape: tuple[int, ...]
    colours: str = ""
    dtype: str = "float32"


@dataclass
class Network:
    """A neural network: layers in order, inputs and outputs, and what is done to pictures before."""

    layers: list[Record]
    inputs: list[Feature]
    outputs: list[str]
    preprocessing: list[Record]
    probabilities: str = ""
    exact: bool = False
    """Whether arrays have the shapes that the file says, and not those of pictures."""
    notes: list[str] = field(default_factory=list)
    """What is to be told of what the file holds beside the network."""


def is_program(path: Path) -> bool:
    """Whether a `.mlmodel` or the model of a package holds a program.

    Raises:
        InputError: it is missing or damaged.
    """
    return "program" in _model(path)


def _model(path: Path) -> Record:
    try:
        return wire.parse(mapped(path), SCHEMA, "Model")
    except InputError as error:
        raise InputError(f"{path}: {error.message}", advice=error.advice or "is it a .mlmodel?") from error


def read_network(path: Path) -> Network:
    """The neural network in a `.mlmodel`, or those of a pipeline as one. No weight is copied.

    Raises:
        InputError: the file is missing or damaged.
        Refusal: it holds a model of another kind.
    """
    record, notes = _model(path), []
    if any(name in record for name in PIPELINES):
        record, notes = joined(record)
    kind = network_of(record)
    if kind is None:
        raise Refusal(notimpl("a model that is no neural network, such as an ensemble of trees"))
    network, description = record.record(kind), record.record("description")
    outputs = [one.text("name") for one in description.records("output")]
    inputs = [_feature(one) for one in description.records("input")]
    return Network(
        network.records("layers"), inputs, outputs, network.records("preprocessing"),
        network.text("labelProbabilityLayerName"), network.integer("arrayMapping", 0) == 1, notes,
    )  # fmt: skip


def _feature(record: Record) -> Feature:
    kind = record.record("type")
    name = record.text("name")
    if "imageType" in kind:
        image = kind.record("imageType")
        colours = COLOURS.get(image.integer("colorSpace", 20), "")
        return Feature(name, (1 if colours == "gray" else 3, image.integer("height"), image.integer("width")), colours)
    array = kind.record("multiArrayType")
    dtype = "int32" if array.integer("dataType", 0) == _WHOLE else "float32"
    return Feature(name, tuple(int(size) for size in array.all("shape")), "", dtype)


def weights(record: Record, shape: tuple[int, ...], what: str) -> Callable[[], np.ndarray]:
    """How the weights in a record are loaded.

    Raises:
        InputError: they are of another number.
        Refusal: they are stored in a way that is not read.
    """
    count = product(shape)
    bits = record.record("quantization").integer("numberOfBits", 0)
    if "quantization" in record and bits:
        return _quantised(record, shape, bits, what)
    half = record.get("float16Value")
    if half is not None and len(half):
        held = np.frombuffer(half, "<f2") if len(half) % 2 == 0 else np.zeros(0)
    else:
        parts = [np.atleast_1d(np.asarray(one)) for one in record.raw("floatValue")]
        held = parts[0] if len(parts) == 1 else np.concatenate([*parts, np.zeros(0, "float32")])
    if held.size != count:
        raise InputError(f"{what} holds {held.size} numbers and must hold {list(shape)}")
    return lambda: held.reshape(shape).astype("float32")


def _quantised(record: Record, shape: tuple[int, ...], bits: int, what: str) -> Callable[[], np.ndarray]:
    data, quantised = record.get("rawValue"), record.record("quantization")
    if data is None or not 1 <= bits <= 8:
        raise Refusal(notimpl(f"weights of {bits} bits"))
    count = product(shape)
    if len(data) != (count * bits + 7) // 8:
        raise InputError(f"{what} holds {len(data)} bytes for {list(shape)} of {bits} bits")
    table = np.asarray(quantised.record("table").all("floatValue"), "float32")
    scale = np.asarray(quantised.record("linear").all("scale"), "float32")
    bias = np.asarray(quantised.record("linear").all("bias"), "float32")
    if (table.size and table.size != 2**bits) or (not table.size and (not scale.size or shape[0] % scale.size)):
        raise InputError(f"{what}: {table.size} entries and {scale.size} scales for {bits} bits")

    def load() -> np.ndarray:
        one = np.unpackbits(np.frombuffer(data, np.uint8))[: count * bits].reshape(count, bits)
        stored = (one * (1 << np.arange(bits)[::-1])).sum(1).reshape(shape)
        if table.size:
            return table[stored]
        rows = (-1, *[1] * (len(shape) - 1))
        offset = bias.reshape(rows) if bias.size == scale.size else np.float32(0)
        return stored.astype("float32") * scale.reshape(rows) + offset

    return load
