"""A network that is added up layer by layer, on made data."""
import numpy as np
from tensorflow import keras
from tensorflow.keras.models import Sequential
from tensorflow.keras.layers import Dense, Dropout, Conv2D, MaxPooling2D, Flatten

x = np.random.rand(64, 8, 8, 1).astype("float32")
y = keras.utils.to_categorical(np.random.randint(0, 4, 64), 4)
model = Sequential()
model.add(Conv2D(8, kernel_size=(3, 3), activation="relu", input_shape=(8, 8, 1)))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Flatten())
model.add(Dropout(0.5))
model.add(Dense(4, activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(x, y, batch_size=16, epochs=2, verbose=1, validation_split=0.1)
score = model.evaluate(x, y, verbose=0)
print("loss", score[0], "accuracy", score[1])
