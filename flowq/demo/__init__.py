"""The main job as a demo: the standard library audited file by file. Nothing in flowq itself needs this package."""
