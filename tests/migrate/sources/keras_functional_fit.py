"""A functional network with penalties, callbacks and class weights; everything imported by a star."""
import numpy as np
from tensorflow.keras import regularizers
from tensorflow.keras.callbacks import EarlyStopping, LearningRateScheduler
from tensorflow.keras.layers import *
from tensorflow.keras.models import Model
from tensorflow.keras.optimizers import Adam

inputs = Input(shape=(6,))
x = Dense(8, activation="relu", kernel_regularizer=regularizers.l2(0.01))(inputs)
branch = Dense(8, activation="tanh")(x)
x = add([x, branch])  # a shortcut
outputs = Dense(1, activation="sigmoid")(x)
model = Model(inputs, outputs)

x_train = np.random.rand(40, 6)
y_train = (x_train.sum(axis=1) > 3).astype("float32")
model.compile(optimizer=Adam(0.01, clipnorm=1.0), loss="binary_crossentropy", metrics=["accuracy"])
model.fit(
    x_train, y_train, batch_size=8, epochs=2, validation_split=0.2, class_weight={0: 1.0, 1: 3.0},
    callbacks=[EarlyStopping(patience=2), LearningRateScheduler(lambda epoch, lr: lr * 0.5)],
)
