"""Reading the lake for research: bars, grids of many sessions, what describes a day."""
