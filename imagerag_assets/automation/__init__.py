"""When the graph runs by itself, and what is checked: jobs, schedules, sensors, asset checks, and runs from a terminal."""
