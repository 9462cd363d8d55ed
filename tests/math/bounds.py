"""The errors that docs/math_accuracy.md promises, in ulps of the exact value.

Below 2.5 a result is within 2 ulps of the correctly rounded one.
"""

FLOAT32 = {
    "exp": 1.0,
    "exp2": 1.0,
    "expm1": 1.5,
    "log": 1.0,
    "log2": 1.8,
    "log10": 1.6,
    "log1p": 1.8,
    "sigmoid": 2.49,
    "softplus": 2.3,
    "log_sigmoid": 2.3,
    "pow": 1.0,
    "cbrt": 0.6,
    "rsqrt": 1.5,
    "hypot": 1.2,
    "sin": 1.7,
    "cos": 1.7,
    "tan": 2.45,
    "asin": 2.2,
    "acos": 1.3,
    "atan": 1.5,
    "atan2": 1.6,
    "sinh": 1.9,
    "cosh": 1.6,
    "tanh": 2.49,
    "asinh": 2.2,
    "acosh": 2.3,
    "atanh": 2.3,
    "erf": 1.2,
    "erfc": 2.95,
    "erfinv": 2.4,
    # float64 rounded once
    "lgamma": 0.51,
    "digamma": 0.51,
}
FLOAT64 = FLOAT32 | {
    "erfc": 3.0,
    # above zero; a product, two polynomials and a quotient each add their rounding
    "lgamma": 5.0,
    "digamma": 4.5,
}
