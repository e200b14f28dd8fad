"""ResNet, in Keras."""

import pathlib

import keras
from keras import layers

WEIGHTS = pathlib.Path(__file__).with_name("model.weights.h5")


def he_normal(mode="fan_out"):
    """Normal, with variance 2 / fan."""
    return keras.initializers.VarianceScaling(2.0, mode, "untruncated_normal")


def scaled_uniform():
    """PyTorch's default for weights: uniform, within 1 / sqrt(fan_in)."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def uniform(fan_in):
    """PyTorch's default for biases and recurrent layers: uniform, within 1 / sqrt(fan_in)."""
    return keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)


class BasicBlock(layers.Layer):
    def __init__(self, planes, downsample=False, stride=1, **kwargs):
        super().__init__(**kwargs)
        self.conv1_pad = layers.ZeroPadding2D(1)
        self.conv1 = layers.Conv2D(
            planes, 3, use_bias=False, kernel_initializer=he_normal(), strides=stride
        )
        self.bn1 = layers.BatchNormalization(momentum=0.9, epsilon=1e-05)
        self.relu = layers.Activation("relu")
        self.conv2 = layers.Conv2D(
            planes, 3, padding="same", use_bias=False, kernel_initializer=he_normal()
        )
        self.bn2 = layers.BatchNormalization(momentum=0.9, epsilon=1e-05)
        self.downsample = (
            keras.Sequential(
                [
                    layers.Conv2D(
                        planes, 1, strides=2, use_bias=False, kernel_initializer=he_normal()
                    ),
                    layers.BatchNormalization(momentum=0.9, epsilon=1e-05),
                ]
            )
            if downsample
            else None
        )

    def call(self, x):
        out = self.conv1(self.conv1_pad(x))
        out = self.bn1(out)
        out = self.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        identity = self.downsample(x) if self.downsample is not None else x
        out = out + identity
        out = self.relu(out)
        return out


class ResNet(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv1_pad = layers.ZeroPadding2D(3)
        self.conv1 = layers.Conv2D(64, 7, strides=2, use_bias=False, kernel_initializer=he_normal())
        self.bn1 = layers.BatchNormalization(momentum=0.9, epsilon=1e-05)
        self.relu = layers.Activation("relu")
        self.maxpool_pad = layers.ZeroPadding2D(1)
        self.maxpool = layers.MaxPooling2D(3, strides=2)
        self.layer1 = keras.Sequential([BasicBlock(64) for _ in range(2)])
        self.layer2 = keras.Sequential(
            [BasicBlock(128, downsample=True, stride=2), BasicBlock(128)]
        )
        self.layer3 = keras.Sequential(
            [BasicBlock(256, downsample=True, stride=2), BasicBlock(256)]
        )
        self.layer4 = keras.Sequential(
            [BasicBlock(512, downsample=True, stride=2), BasicBlock(512)]
        )
        self.avgpool = layers.GlobalAveragePooling2D()
        self.fc = layers.Dense(
            1000, kernel_initializer=scaled_uniform(), bias_initializer=uniform(512)
        )

    def call(self, x):
        x = self.conv1(self.conv1_pad(x))
        x = self.bn1(x)
        x = self.relu(x)
        x = self.maxpool(self.maxpool_pad(x))
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.layer4(x)
        x = self.avgpool(x)
        x = self.fc(x)
        return x


def load(weights=WEIGHTS):
    """The network with its trained weights; `weights=None` leaves it freshly initialised."""
    model = ResNet()
    model(keras.Input((224, 224, 3)))
    if weights is not None:
        model.load_weights(weights)
    return model
