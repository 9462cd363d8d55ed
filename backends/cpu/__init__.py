"""Native CPU code: schedules, threads, machine facts, executables."""
