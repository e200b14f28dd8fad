"""Text and other names as numbers, by vocabularies that are learned or given."""

import collections
import re

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from netglot.migrate.to_torch.library.symbols import Symbol


class CategoryEncoding(nn.Module):
    """Numbers of categories as zeros and ones, or as how often each is there."""

    def __init__(self, num_tokens, output_mode="multi_hot"):
        super().__init__()
        self.num_tokens, self.output_mode = num_tokens, output_mode

    def __call__(self, x):
        return Symbol.of(self, x) if isinstance(x, Symbol) else super().__call__(x)

    def forward(self, x):
        ones = F.one_hot(torch.as_tensor(x).long(), self.num_tokens).to(torch.get_default_dtype())
        if self.output_mode == "one_hot":
            return ones.squeeze(-2) if ones.ndim > 2 and ones.shape[-2] == 1 else ones
        return ones.sum(-2) if self.output_mode == "count" else ones.amax(-2)


class Lookup(nn.Module):
    """The places of values in a vocabulary; `oov` values that it does not hold come first."""

    def __init__(
        self, max_tokens=None, num_oov_indices=1, mask_token=None, oov_token="[UNK]", vocabulary=None, invert=False,
        output_mode="int",
    ):  # fmt: skip
        super().__init__()
        self.max_tokens, self.num_oov_indices, self.mask_token, self.oov_token = (
            max_tokens, num_oov_indices, mask_token, oov_token,
        )  # fmt: skip
        self.invert, self.output_mode = invert, output_mode
        self.set_vocabulary([] if vocabulary is None else vocabulary)

    def special(self):
        """What stands before the learned values."""
        return ([] if self.mask_token is None else [self.mask_token]) + [self.oov_token] * self.num_oov_indices

    def set_vocabulary(self, vocabulary):
        """Takes a vocabulary as it is."""
        words, special = list(vocabulary), self.special()
        words = words if words[: len(special)] == special and special else [*special, *words]
        self.words, self.places = words, {}
        for place, word in enumerate(words):
            self.places.setdefault(word, place)

    def adapt(self, data, **options):
        """Learns the vocabulary of data: what is frequent comes first, of equals the last one in order."""
        counts = collections.Counter(word for row in values_of(data) for word in self.parts(row))
        found = sorted(counts, key=lambda word: (counts[word], word), reverse=True)
        room = len(found) if self.max_tokens is None else self.max_tokens - len(self.special())
        self.set_vocabulary([word for word in found if word not in self.special()][:room])

    def parts(self, value):
        """The values that one piece of data holds."""
        return [value.item() if hasattr(value, "item") else value]

    def get_vocabulary(self, include_special_tokens=True):
        """The values in order."""
        return self.words[0 if include_special_tokens else len(self.special()) :]

    def vocabulary_size(self):
        """How many values there are."""
        return len(self.words)

    def place(self, word):
        """The number of a value."""
        if word in self.places:
            return self.places[word]
        if not self.num_oov_indices:
            raise ValueError(f"{word!r} is not in the vocabulary")
        return int(self.mask_token is not None)

    def __call__(self, data):
        return Symbol.of(self, data) if isinstance(data, Symbol) else super().__call__(data)

    def forward(self, data):
        if self.invert:
            return np.vectorize(lambda place: self.words[int(place)], otypes=[object])(np.asarray(data))
        data = np.asarray(data)
        places = [self.place(one) for one in data.reshape(-1).tolist()]
        return self.encoded(torch.tensor(places, dtype=torch.int64).reshape(data.shape))

    def encoded(self, places):
        """Numbers as they are, or counted for each row."""
        if self.output_mode == "int":
            return places
        rows = torch.nn.functional.one_hot(places, len(self.words)).to(torch.get_default_dtype())
        if self.output_mode == "one_hot":
            return rows
        return rows.amax(-2) if self.output_mode == "multi_hot" else rows.sum(-2)


class TextVectorization(Lookup):
    """Texts as rows of the numbers of their words."""

    def __init__(
        self, max_tokens=None, standardize="lower_and_strip_punctuation", split="whitespace", output_mode="int",
        output_sequence_length=None, vocabulary=None,
    ):  # fmt: skip
        self.standardize, self.split, self.length = standardize, split, output_sequence_length
        super().__init__(max_tokens, 1, "" if output_mode == "int" else None, "[UNK]", vocabulary, False, output_mode)

    def parts(self, value):
        text = str(value.reshape(-1)[0] if isinstance(value, np.ndarray) else value)
        if callable(self.standardize):
            text = str(self.standardize(np.asarray(text)))
        if self.standardize in ("lower", "lower_and_strip_punctuation"):
            text = text.lower()
        if self.standardize in ("strip_punctuation", "lower_and_strip_punctuation"):
            text = re.sub(r"[!\"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~\']", "", text)
        return text.split() if self.split == "whitespace" else list(text) if self.split == "character" else [text]

    def forward(self, data):
        rows = [[self.place(word) for word in self.parts(text)] for text in values_of(data)]
        single = isinstance(data, (str, np.str_))
        if self.output_mode != "int":
            found = torch.stack([self.encoded(torch.tensor(row, dtype=torch.int64)) for row in rows])
            return found[0] if single else found
        length = self.length or max(map(len, rows), default=0)
        found = torch.tensor([(row + [0] * length)[:length] for row in rows], dtype=torch.int64)
        return found[0] if single else found


def values_of(data):
    """Single values of a list, an array, or a data set of batches."""
    if isinstance(data, (str, np.str_)):
        return [data]
    if isinstance(data, (list, tuple, np.ndarray, torch.Tensor)):
        array = np.asarray(data)
        return list(array.reshape(-1))
    return [value for batch in data for value in values_of(batch)]


def each_text(function, texts, otype=object):
    """A function on every text of an array."""
    return np.vectorize(function, otypes=[otype])(np.asarray(texts, dtype=object))


def regex_replace(texts, pattern, rewrite, replace_global=True):
    """Texts with what a pattern finds replaced."""
    return each_text(lambda text: re.sub(pattern, rewrite, str(text), count=0 if replace_global else 1), texts)


def joined_texts(texts, axis=None, separator=""):
    """Texts of an array put together, all of them or along an axis."""
    texts = np.asarray(texts, dtype=object)
    texts = texts.reshape(-1) if axis is None else np.moveaxis(texts, axis, -1)
    found = np.asarray([separator.join(map(str, row)) for row in texts.reshape(-1, texts.shape[-1])], dtype=object)
    return found.reshape(texts.shape[:-1])
