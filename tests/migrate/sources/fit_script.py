"""A dense network on made data, with compile and fit."""
import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

np.random.seed(0)
tf.random.set_seed(0)

# made data: two clouds
x = np.random.randn(120, 6).astype("float32")
y = (x[:, 0] + x[:, 1] > 0).astype("int64")
x_train, y_train = x[:96], y[:96]
x_test, y_test = x[96:], y[96:]

model = keras.Sequential([
    layers.Dense(16, activation="relu", input_shape=(6,)),
    layers.BatchNormalization(),
    layers.Dropout(0.2),
    layers.Dense(2, activation="softmax"),
])
model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.01),
              loss="sparse_categorical_crossentropy",
              metrics=["accuracy"])
model.summary()
history = model.fit(x_train, y_train, epochs=3, batch_size=16, validation_split=0.25, verbose=2)
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"test loss {loss:.3f}, accuracy {accuracy:.3f}")
print(history.history["loss"])
predictions = model.predict(x_test)
print(np.argmax(predictions, axis=1)[:5])
