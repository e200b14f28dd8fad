"""The Caffe dialect: layers by their type, as the third generation of its files names them."""

from netglot.dialects.dialect import Dialect

caffe = Dialect("caffe", "Caffe")
"""What each of Caffe's layers means. A reader is given the layer, with its options and blobs, and its bottoms."""
