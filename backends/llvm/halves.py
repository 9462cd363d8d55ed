"""Conversions of 16-bit floats for processors without instructions for them.

Code generation calls these two functions by the names of compiler-rt, which is not always there;
weak and hidden, they stay inside the object that needs them. NaNs come out as from hardware: quiet,
with as much of their payload as fits.
"""

from __future__ import annotations

_FUNCTIONS = """
define weak hidden float @__extendhfsf2(half %h) nounwind {
  %bits = bitcast half %h to i16
  %wide = zext i16 %bits to i32
  %size = and i32 %wide, 32767
  %top = and i32 %wide, 32768
  %sign = shl i32 %top, 16
  %aligned = shl i32 %size, 13
  %small = bitcast i32 %aligned to float
  %scaled = fmul float %small, 0x46F0000000000000
  %finite = bitcast float %scaled to i32
  %infinite = or i32 %finite, 2139095040
  %quiet = or i32 %infinite, 4194304
  %overflows = icmp uge i32 %size, 31744
  %nan = icmp ugt i32 %size, 31744
  %number = select i1 %overflows, i32 %infinite, i32 %finite
  %any = select i1 %nan, i32 %quiet, i32 %number
  %signed = or i32 %any, %sign
  %result = bitcast i32 %signed to float
  ret float %result
}

define weak hidden half @__truncsfhf2(float %x) nounwind {
  %bits = bitcast float %x to i32
  %size = and i32 %bits, 2147483647
  %high = lshr i32 %bits, 16
  %sign = and i32 %high, 32768
  %shifted = lshr i32 %size, 13
  %odd = and i32 %shifted, 1
  %rebased = add i32 %size, 3355447295
  %rounded = add i32 %rebased, %odd
  %normal = lshr i32 %rounded, 13
  %positive = bitcast i32 %size to float
  %sum = fadd float %positive, 5.0e-01
  %sum.bits = bitcast float %sum to i32
  %denormal = sub i32 %sum.bits, 1056964608
  %payload = and i32 %shifted, 1023
  %quiet = or i32 %payload, 32256
  %is.denormal = icmp ult i32 %size, 947912704
  %overflows = icmp uge i32 %size, 1199570944
  %nan = icmp ugt i32 %size, 2139095040
  %finite = select i1 %is.denormal, i32 %denormal, i32 %normal
  %number = select i1 %overflows, i32 31744, i32 %finite
  %any = select i1 %nan, i32 %quiet, i32 %number
  %signed = or i32 %any, %sign
  %narrow = trunc i32 %signed to i16
  %result = bitcast i16 %narrow to half
  ret half %result
}
"""


def half_functions(ir_text: str, integers: bool = False) -> str:
    """What must be added to IR that uses 16-bit floats, which these functions take and give in
    registers of floats or as `integers`; nothing if it uses none.
    """
    if "half" not in ir_text:
        return ""
    text = _FUNCTIONS
    for here, there in _AS_INTEGERS if integers else ():
        text = text.replace(here, there)
    return text


_AS_INTEGERS = (
    ("(half %h) nounwind {\n  %bits = bitcast half %h to i16\n", "(i16 %bits) nounwind {\n"),
    ("define weak hidden half ", "define weak hidden i16 "),
    ("  %result = bitcast i16 %narrow to half\n  ret half %result\n", "  ret i16 %narrow\n"),
)
