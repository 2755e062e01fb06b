"""Small servers that the examples talk to, so that none needs a network. Never a part of flowq."""
