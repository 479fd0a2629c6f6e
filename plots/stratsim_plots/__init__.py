"""Figures from result files.

    stratsim plot results/demo --kind violations --out violations.pdf

Each kind of figure is a module with the same three names: `COLUMNS` of the data behind the figure, `data` that takes
it from result folders, `draw` that draws it. `stratsim_plots.style` decides what everything looks like.

stratsim finds the commands (`command`, `report.command`) and the figures of reports (`fidelity`, `study`, `validation`)
by entry point; nothing else is meant for others.
"""
