"""What follows from the numbers of a machine."""

from dataclasses import replace

import pytest

from graphc.backends.lower.kernel import Schedule
from graphc.machine import MACHINES, TYPICAL, Machine

EVERY_MACHINE = pytest.mark.parametrize(
    "machine", MACHINES, ids=lambda m: f"{m.registers} of {m.vector_bits} bits"
)


def test_a_chunk_lasts_several_times_as_long_as_handing_it_over() -> None:
    elements = TYPICAL.chunk_elements * 8 / TYPICAL.memory_rate
    products = TYPICAL.chunk_multiply_adds / TYPICAL.rate
    for seconds in (elements, products):
        assert 2 * TYPICAL.hand_over < seconds < 10 * TYPICAL.hand_over


def test_faster_memory_makes_larger_chunks_and_keeps_less() -> None:
    faster = replace(TYPICAL, memory_rate=4 * TYPICAL.memory_rate)
    assert faster.chunk_elements == 4 * TYPICAL.chunk_elements
    assert faster.busy < TYPICAL.busy


@EVERY_MACHINE
def test_machines_differ_in_registers_alone(machine: Machine) -> None:
    own = {
        "vector_bits": machine.vector_bits,
        "registers": machine.registers,
        "fused": machine.fused,
        "multiply_adds": machine.multiply_adds,
    }
    assert machine == replace(TYPICAL, **own)


@EVERY_MACHINE
def test_a_schedule_knows_the_machine_of_its_registers(machine: Machine) -> None:
    assert Schedule(machine.vector_bits, registers=machine.registers).machine is machine


@pytest.mark.parametrize("bits", [0, 128, 256, 512])
def test_a_schedule_of_vectors_alone_has_as_many_registers_as_x86(bits: int) -> None:
    assert Schedule(bits).machine.registers == (32 if bits == 512 else 16)
    assert Schedule(bits).fused == (bits >= 256)


def test_what_is_read_twice_stays_in_the_second_cache() -> None:
    assert 4 * TYPICAL.twice_read < TYPICAL.second
    assert 2 * TYPICAL.panel_bytes < TYPICAL.second
    assert TYPICAL.ahead[0] * 4 < TYPICAL.first


def test_results_larger_than_what_is_shared_are_streamed() -> None:
    assert Schedule().stream_bytes <= TYPICAL.shared
