"""The report of a result folder: one HTML file with everything in it, to be read without a network.

    stratsim report results/demo --out demo.html

`make.make_report` reads the folder and writes the file; `page` puts the sections together, and each section has a
module. Style and script of the page lie in `assets`.
"""
