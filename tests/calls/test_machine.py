"""What follows from the numbers of a machine."""

from dataclasses import replace

import pytest

from graphc.backends.lower.kernel import Schedule
from graphc.machine import MACHINES, TYPICAL, Machine


def test_a_chunk_lasts_several_times_as_long_as_handing_it_over() -> None:
    elements = TYPICAL.chunk_elements * 8 / TYPICAL.memory_rate
    products = TYPICAL.chunk_multiply_adds / TYPICAL.rate
    for seconds in (elements, products):
        assert 2 * TYPICAL.hand_over < seconds < 10 * TYPICAL.hand_over


def test_faster_memory_makes_larger_chunks_and_keeps_less() -> None:
    faster = replace(TYPICAL, memory_rate=4 * TYPICAL.memory_rate)
    assert faster.chunk_elements == 4 * TYPICAL.chunk_elements
    assert faster.busy < TYPICAL.busy


@pytest.mark.parametrize("machine", MACHINES.values(), ids=lambda m: f"{m.vector_bits} bits")
def test_machines_differ_in_registers_alone(machine: Machine) -> None:
    own = {
        "vector_bits": machine.vector_bits,
        "registers": machine.registers,
        "multiply_adds": machine.multiply_adds,
    }
    assert machine == replace(TYPICAL, **own)


@pytest.mark.parametrize("bits", MACHINES)
def test_a_schedule_knows_the_machine_of_its_vectors(bits: int) -> None:
    assert Schedule(vector_bits=bits).machine.vector_bits == bits


def test_what_is_read_twice_stays_in_the_second_cache() -> None:
    assert 4 * TYPICAL.twice_read < TYPICAL.second
    assert 2 * TYPICAL.panel_bytes < TYPICAL.second
    assert TYPICAL.ahead[0] * 4 < TYPICAL.first


def test_results_larger_than_what_is_shared_are_streamed() -> None:
    assert Schedule().stream_bytes <= TYPICAL.shared
