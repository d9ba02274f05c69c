"""When the graph runs and what is checked: jobs, schedules, sensors, asset checks, runs from a terminal."""
