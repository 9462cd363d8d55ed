"""Graph in, graph out: each pass is one file with one entry point."""

if __name__ != "graphc.passes":
    raise ImportError(
        f"import this folder as graphc.passes, not as {__name__}: "
        "a second copy would register everything twice"
    )
