"""The program imports it, and doesn't use it."""

Image = None
