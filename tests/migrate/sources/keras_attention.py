import tensorflow as tf
from tensorflow.keras import layers, Model, Sequential
from tensorflow.keras.models import Sequential as Seq
from tensorflow.keras.layers import Dense, LSTM, Embedding, Conv1D, GlobalMaxPooling1D, Dropout, SimpleRNN


class TransformerBlock(layers.Layer):
    def __init__(self, embed_dim, num_heads, ff_dim, rate=0.1):
        super(TransformerBlock, self).__init__()
        self.att = layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.ffn = Sequential([layers.Dense(ff_dim, activation="relu"), layers.Dense(embed_dim)])
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.dropout1 = layers.Dropout(rate)
        self.dropout2 = layers.Dropout(rate)

    def call(self, inputs, training=False):
        attn_output = self.att(inputs, inputs)
        attn_output = self.dropout1(attn_output, training=training)
        out1 = self.layernorm1(inputs + attn_output)
        ffn_output = self.ffn(out1)
        ffn_output = self.dropout2(ffn_output, training=training)
        return self.layernorm2(out1 + ffn_output)


class TokenAndPositionEmbedding(layers.Layer):
    def __init__(self, maxlen, vocab_size, embed_dim):
        super().__init__()
        self.token_emb = layers.Embedding(input_dim=vocab_size, output_dim=embed_dim)
        self.pos_emb = layers.Embedding(input_dim=maxlen, output_dim=embed_dim)

    def call(self, x):
        maxlen = tf.shape(x)[-1]
        positions = tf.range(start=0, limit=maxlen, delta=1)
        positions = self.pos_emb(positions)
        x = self.token_emb(x)
        return x + positions


class Classifier(Model):
    def __init__(self, vocab=30, maxlen=12, dim=8):
        super().__init__()
        self.embed = TokenAndPositionEmbedding(maxlen, vocab, dim)
        self.block = TransformerBlock(dim, 2, 16)
        self.pool = layers.GlobalAveragePooling1D()
        self.out = layers.Dense(2, activation="softmax")

    def call(self, ids):
        return self.out(self.pool(self.block(self.embed(ids))))


class Autoencoder(Model):
    def __init__(self, latent_dim=4, shape=(8, 8)):
        super().__init__()
        self.latent_dim = latent_dim
        self.encoder = tf.keras.Sequential([
            layers.Flatten(),
            layers.Dense(latent_dim, activation='relu'),
        ])
        self.decoder = tf.keras.Sequential([
            layers.Dense(int(tf.math.reduce_prod(shape).numpy()), activation='sigmoid'),
            layers.Reshape(shape)
        ])

    def call(self, x):
        encoded = self.encoder(x)
        decoded = self.decoder(encoded)
        return decoded


class ConvAE(Model):
    def __init__(self):
        super().__init__()
        self.encoder = tf.keras.Sequential([
            layers.Input(shape=(28, 28, 1)),
            layers.Conv2D(16, (3, 3), activation='relu', padding='same', strides=2),
            layers.Conv2D(8, (3, 3), activation='relu', padding='same', strides=2)])
        self.decoder = tf.keras.Sequential([
            layers.Conv2DTranspose(8, kernel_size=3, strides=2, activation='relu', padding='same'),
            layers.Conv2DTranspose(16, kernel_size=3, strides=2, activation='relu', padding='same'),
            layers.Conv2D(1, kernel_size=(3, 3), activation='sigmoid', padding='same')])

    def call(self, x):
        return self.decoder(self.encoder(x))


def lstm_model(vocab_size=40):
    model = Seq()
    model.add(Embedding(vocab_size, 8, input_length=10))
    model.add(LSTM(6, return_sequences=True))
    model.add(SimpleRNN(5))
    model.add(Dropout(0.2))
    model.add(Dense(1, activation='sigmoid'))
    return model


def mobile():
    inputs = tf.keras.layers.Input(shape=(16, 16, 3))
    x = layers.DepthwiseConv2D(3, padding='same')(inputs)
    x = layers.SeparableConv2D(6, 3, strides=2, padding='same')(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.AveragePooling2D(2, padding='same')(x)
    x = layers.UpSampling2D(2)(x)
    x = layers.LeakyReLU()(x)
    x = layers.GlobalMaxPooling2D()(x)
    return Model(inputs, x)
