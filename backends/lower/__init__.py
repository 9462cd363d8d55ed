"""Bodies and schedules become kernels in the loop IR."""
