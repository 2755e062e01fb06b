"""The demo: an audit of the standard library, one file per item. Nothing in flowq itself needs this package."""
