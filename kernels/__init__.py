"""Numeric kernels on arrays, compiled with Numba: no threads, no I/O."""
