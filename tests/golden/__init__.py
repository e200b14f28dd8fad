"""Networks whose emitted source is committed, so that every change of what a user gets is seen and read."""
