"""Kernels in, native code out."""

if __name__ != "graphc.backends":
    raise ImportError(
        f"import this folder as graphc.backends, not as {__name__}: "
        "a second copy would register everything twice"
    )
