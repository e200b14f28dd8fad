"""MobileNetV3, in Keras."""

import pathlib

import keras
from keras import layers

WEIGHTS = pathlib.Path(__file__).with_name("model.weights.h5")


def he_normal(mode="fan_out"):
    """Normal, with variance 2 / fan."""
    return keras.initializers.VarianceScaling(2.0, mode, "untruncated_normal")


def normal(stddev):
    """Normal around zero."""
    return keras.initializers.RandomNormal(stddev=stddev)


class Conv2dNormActivation(layers.Layer):
    """Configurable block used for Convolution2d-Normalization-Activation blocks."""

    def __init__(
        self, out_channels, padding=None, activation=None, kernel_size=1, stride=1, **kwargs
    ):
        super().__init__(**kwargs)
        self.pad = layers.ZeroPadding2D(padding) if padding else None
        self.conv = layers.Conv2D(
            out_channels,
            kernel_size,
            use_bias=False,
            kernel_initializer=he_normal(),
            strides=stride,
        )
        self.norm = layers.BatchNormalization(momentum=0.99, epsilon=0.001)
        self.activation = layers.Activation(activation) if activation else None

    def call(self, input):
        x = self.pad(input) if self.pad is not None else input
        x = self.norm(self.conv(x))
        x = self.activation(x) if self.activation is not None else x
        return x


class Conv2dNormActivation2(layers.Layer):
    """Configurable block used for Convolution2d-Normalization-Activation blocks."""

    def __init__(self, kernel_size, activation, stride=1, padding=1, **kwargs):
        super().__init__(**kwargs)
        self.pad = layers.ZeroPadding2D(padding)
        self.conv = layers.DepthwiseConv2D(
            kernel_size,
            use_bias=False,
            depthwise_initializer=he_normal(mode="fan_in"),
            strides=stride,
        )
        self.norm = layers.BatchNormalization(momentum=0.99, epsilon=0.001)
        self.activation = layers.Activation(activation)

    def call(self, input):
        return self.activation(self.norm(self.conv(self.pad(input))))


class SqueezeExcitation(layers.Layer):
    def __init__(self, squeeze_channels, input_channels, **kwargs):
        super().__init__(**kwargs)
        self.avgpool = layers.GlobalAveragePooling2D(keepdims=True)
        self.fc1 = layers.Conv2D(squeeze_channels, 1, kernel_initializer=he_normal())
        self.fc2 = layers.Conv2D(input_channels, 1, kernel_initializer=he_normal())
        self.activation = layers.Activation("relu")
        self.scale_activation = layers.Activation("hard_sigmoid")

    def call(self, input):
        scale = self.avgpool(input)
        scale = self.fc1(scale)
        scale = self.activation(scale)
        scale = self.fc2(scale)
        return self.scale_activation(scale) * input


class InvertedResidual(layers.Layer):
    def __init__(
        self,
        out_channels,
        activation,
        kernel_size,
        use_res_connect=False,
        conv2d_norm_activation=False,
        squeeze_excitation=False,
        stride=1,
        padding=1,
        squeeze_channels=None,
        input_channels=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.use_res_connect = use_res_connect
        self.block = keras.Sequential()
        if conv2d_norm_activation:
            self.block.add(Conv2dNormActivation(input_channels, activation=activation))
        self.block.add(
            Conv2dNormActivation2(kernel_size, activation, stride=stride, padding=padding)
        )
        if squeeze_excitation:
            self.block.add(SqueezeExcitation(squeeze_channels, input_channels))
        self.block.add(Conv2dNormActivation(out_channels))

    def call(self, input):
        result = self.block(input)
        result = result + input if self.use_res_connect else result
        return result


class MobileNetV3(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.features = keras.Sequential(
            [
                Conv2dNormActivation(
                    16, padding=1, activation="hard_silu", kernel_size=3, stride=2
                ),
                InvertedResidual(16, "relu", 3, use_res_connect=True),
                InvertedResidual(
                    24, "relu", 3, conv2d_norm_activation=True, stride=2, input_channels=64
                ),
                InvertedResidual(
                    24,
                    "relu",
                    3,
                    use_res_connect=True,
                    conv2d_norm_activation=True,
                    input_channels=72,
                ),
                InvertedResidual(
                    40,
                    "relu",
                    5,
                    conv2d_norm_activation=True,
                    squeeze_excitation=True,
                    stride=2,
                    padding=2,
                    squeeze_channels=24,
                    input_channels=72,
                ),
                InvertedResidual(
                    40,
                    "relu",
                    5,
                    use_res_connect=True,
                    conv2d_norm_activation=True,
                    squeeze_excitation=True,
                    padding=2,
                    squeeze_channels=32,
                    input_channels=120,
                ),
                InvertedResidual(
                    40,
                    "relu",
                    5,
                    use_res_connect=True,
                    conv2d_norm_activation=True,
                    squeeze_excitation=True,
                    padding=2,
                    squeeze_channels=32,
                    input_channels=120,
                ),
                InvertedResidual(
                    80, "hard_silu", 3, conv2d_norm_activation=True, stride=2, input_channels=240
                ),
                InvertedResidual(
                    80,
                    "hard_silu",
                    3,
                    use_res_connect=True,
                    conv2d_norm_activation=True,
                    input_channels=200,
                ),
                InvertedResidual(
                    80,
                    "hard_silu",
                    3,
                    use_res_connect=True,
                    conv2d_norm_activation=True,
                    input_channels=184,
                ),
                InvertedResidual(
                    80,
                    "hard_silu",
                    3,
                    use_res_connect=True,
                    conv2d_norm_activation=True,
                    input_channels=184,
                ),
                InvertedResidual(
                    112,
                    "hard_silu",
                    3,
                    conv2d_norm_activation=True,
                    squeeze_excitation=True,
                    squeeze_channels=120,
                    input_channels=480,
                ),
                InvertedResidual(
                    112,
                    "hard_silu",
                    3,
                    use_res_connect=True,
                    conv2d_norm_activation=True,
                    squeeze_excitation=True,
                    squeeze_channels=168,
                    input_channels=672,
                ),
                InvertedResidual(
                    160,
                    "hard_silu",
                    5,
                    conv2d_norm_activation=True,
                    squeeze_excitation=True,
                    stride=2,
                    padding=2,
                    squeeze_channels=168,
                    input_channels=672,
                ),
                InvertedResidual(
                    160,
                    "hard_silu",
                    5,
                    use_res_connect=True,
                    conv2d_norm_activation=True,
                    squeeze_excitation=True,
                    padding=2,
                    squeeze_channels=240,
                    input_channels=960,
                ),
                InvertedResidual(
                    160,
                    "hard_silu",
                    5,
                    use_res_connect=True,
                    conv2d_norm_activation=True,
                    squeeze_excitation=True,
                    padding=2,
                    squeeze_channels=240,
                    input_channels=960,
                ),
                Conv2dNormActivation(960, activation="hard_silu"),
            ]
        )
        self.avgpool = layers.GlobalAveragePooling2D()
        self.classifier = keras.Sequential(
            [
                layers.Dense(1280, kernel_initializer=normal(0.01)),
                layers.Activation("hard_silu"),
                layers.Dropout(0.2),
                layers.Dense(1000, kernel_initializer=normal(0.01)),
            ]
        )

    def call(self, x):
        x = self.features(x)
        x = self.avgpool(x)
        x = self.classifier(x)
        return x


def load(weights=WEIGHTS):
    """The network with its trained weights; `weights=None` leaves it freshly initialised."""
    model = MobileNetV3()
    model(keras.Input((224, 224, 3)))
    if weights is not None:
        model.load_weights(weights)
    return model
