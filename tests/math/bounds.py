"""The errors that docs/math_accuracy.md promises, in ulps of the exact value.

No function of float32 is off by more than 2.
"""

FLOAT32 = {
    "exp": 1.0,
    "exp2": 1.0,
    "expm1": 1.5,
    "log": 1.0,
    "log2": 1.3,
    "log10": 1.4,
    "log1p": 1.8,
    "sigmoid": 2.0,
    "softplus": 2.0,
    "log_sigmoid": 2.0,
    "pow": 1.0,
    "cbrt": 0.6,
    "rsqrt": 1.5,
    "hypot": 1.2,
    "sin": 0.9,
    "cos": 0.9,
    "tan": 1.5,
    "asin": 1.4,
    "acos": 1.3,
    "atan": 1.5,
    "atan2": 1.6,
    "sinh": 1.9,
    "cosh": 1.6,
    "tanh": 1.9,
    "asinh": 2.0,
    "acosh": 2.0,
    "atanh": 2.0,
    "erf": 1.2,
    "erfc": 2.0,
    "erfinv": 1.9,
    # float64 rounded once
    "lgamma": 0.51,
    "digamma": 0.51,
}
TABLED_FLOAT32 = {"exp": 0.8, "sigmoid": 1.6, "tanh": 0.8}
"""The same where tables are looked up."""
FLOAT64 = FLOAT32 | {
    "tan": 1.8,
    # above zero; a product, two polynomials and a quotient each add their rounding
    "lgamma": 5.0,
    "digamma": 4.5,
}
