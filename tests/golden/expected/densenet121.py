"""DenseNet, in Keras."""

import pathlib

import keras
from keras import layers, ops

WEIGHTS = pathlib.Path(__file__).with_name("model.weights.h5")


def he_normal(mode="fan_out"):
    """Normal, with variance 2 / fan."""
    return keras.initializers.VarianceScaling(2.0, mode, "untruncated_normal")


def scaled_uniform():
    """PyTorch's default for weights: uniform, within 1 / sqrt(fan_in)."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


class DenseLayer(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm1 = layers.BatchNormalization(momentum=0.9, epsilon=1e-05)
        self.relu1 = layers.Activation("relu")
        self.conv1 = layers.Conv2D(
            128, 1, use_bias=False, kernel_initializer=he_normal(mode="fan_in")
        )
        self.norm2 = layers.BatchNormalization(momentum=0.9, epsilon=1e-05)
        self.relu2 = layers.Activation("relu")
        self.conv2 = layers.Conv2D(
            32, 3, padding="same", use_bias=False, kernel_initializer=he_normal(mode="fan_in")
        )

    def call(self, input):
        concated_features = ops.concatenate(input, axis=-1)
        bottleneck_output = self.conv1(self.relu1(self.norm1(concated_features)))
        new_features = self.conv2(self.relu2(self.norm2(bottleneck_output)))
        return new_features


class Transition(layers.Layer):
    def __init__(self, num_output_features, **kwargs):
        super().__init__(**kwargs)
        self.norm = layers.BatchNormalization(momentum=0.9, epsilon=1e-05)
        self.relu = layers.Activation("relu")
        self.conv = layers.Conv2D(
            num_output_features, 1, use_bias=False, kernel_initializer=he_normal(mode="fan_in")
        )
        self.pool = layers.AveragePooling2D(2)

    def call(self, input):
        return self.pool(self.conv(self.relu(self.norm(input))))


class DenseBlock(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.denselayers = [DenseLayer() for _ in range(6)]

    def call(self, init_features):
        features = [init_features]
        for denselayer in self.denselayers:
            features.append(denselayer(features))
        return ops.concatenate(features, axis=-1)


class DenseBlock2(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.denselayers = [DenseLayer() for _ in range(12)]

    def call(self, init_features):
        features = [init_features]
        for denselayer in self.denselayers:
            features.append(denselayer(features))
        return ops.concatenate(features, axis=-1)


class DenseBlock3(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.denselayers = [DenseLayer() for _ in range(24)]

    def call(self, init_features):
        features = [init_features]
        for denselayer in self.denselayers:
            features.append(denselayer(features))
        return ops.concatenate(features, axis=-1)


class DenseBlock4(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.denselayers = [DenseLayer() for _ in range(16)]

    def call(self, init_features):
        features = [init_features]
        for denselayer in self.denselayers:
            features.append(denselayer(features))
        return ops.concatenate(features, axis=-1)


class DenseNet(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.features = keras.Sequential(
            [
                layers.ZeroPadding2D(3),
                layers.Conv2D(
                    64, 7, strides=2, use_bias=False, kernel_initializer=he_normal(mode="fan_in")
                ),
                layers.BatchNormalization(momentum=0.9, epsilon=1e-05),
                layers.Activation("relu"),
                layers.ZeroPadding2D(1),
                layers.MaxPooling2D(3, strides=2),
                DenseBlock(),
                Transition(128),
                DenseBlock2(),
                Transition(256),
                DenseBlock3(),
                Transition(512),
                DenseBlock4(),
                layers.BatchNormalization(momentum=0.9, epsilon=1e-05),
            ]
        )
        self.classifier = layers.Dense(1000, kernel_initializer=scaled_uniform())

    def call(self, x):
        features = self.features(x)
        out = ops.relu(features)
        out = ops.mean(out, axis=(1, 2))
        out = self.classifier(out)
        return out


def load(weights=WEIGHTS):
    """The network with its trained weights; `weights=None` leaves it freshly initialised."""
    model = DenseNet()
    model(keras.Input((224, 224, 3)))
    if weights is not None:
        model.load_weights(weights)
    return model
