"""The emitter that spells the loop IR as LLVM IR."""
